// SPDX-License-Identifier: Apache-2.0
// Swift's library looks for its folder when a program starts, to find a tool that prints backtraces, and ends the program
// where it finds none, as in a root that holds this program and nothing else. A static program has no such folder: these
// stand in for the library's own three functions, which the linker then leaves out.

@_cdecl("swift_copyAuxiliaryExecutablePath")
func noAuxiliaryExecutable(_ name: UnsafePointer<CChar>?) -> UnsafeMutablePointer<CChar>? { nil }

@_cdecl("swift_getRootPath")
func noRootPath() -> UnsafePointer<CChar>? { nil }

@_cdecl("swift_getRuntimeLibraryPath")
func noRuntimeLibraryPath() -> UnsafePointer<CChar>? { nil }
