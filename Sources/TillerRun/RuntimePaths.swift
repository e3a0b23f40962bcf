// SPDX-License-Identifier: Apache-2.0
// At start, Swift's library searches for its folder to find a tool that prints backtraces. It ends the program if it
// finds none, as in a root file system with only this program. A static program has no such folder, so these replace the
// library's own three functions, which the linker then leaves out.

@_cdecl("swift_copyAuxiliaryExecutablePath")
func noAuxiliaryExecutable(_ name: UnsafePointer<CChar>?) -> UnsafeMutablePointer<CChar>? { nil }

@_cdecl("swift_getRootPath")
func noRootPath() -> UnsafePointer<CChar>? { nil }

@_cdecl("swift_getRuntimeLibraryPath")
func noRuntimeLibraryPath() -> UnsafePointer<CChar>? { nil }
