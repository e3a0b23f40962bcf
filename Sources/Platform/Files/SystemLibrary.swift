// SPDX-License-Identifier: Apache-2.0
// Shared libraries that are opened only when they are needed. The loader would look for a bare name in LD_LIBRARY_PATH first,
// which may include a folder of downloads. A library runs with the user's rights, so only the system's folders are used.

import Glibc

package enum SystemLibrary {
    #if arch(x86_64)
    private static let triplet = "x86_64-linux-gnu"
    #else
    private static let triplet = "aarch64-linux-gnu"
    #endif

    /// Folders per architecture, common folders, and those of the machine's administrator.
    private static let folders = [
        "/usr/lib/" + triplet, "/lib/" + triplet, "/usr/lib64", "/lib64", "/usr/lib", "/lib",
        "/usr/local/lib64",
        "/usr/local/lib",
    ]

    /// The files to try for a library, in this order.
    ///
    /// - Parameter names: file names, the best one first.
    package static func candidates(named names: [String]) -> [String] {
        folders.flatMap { folder in names.map { "\(folder)/\($0)" } }
    }

    /// Opens the first file that can be opened; it stays open until the program ends.
    ///
    /// - Throws: `SystemLibraryError` with the loader's reason.
    package static func open(_ paths: [String]) throws(SystemLibraryError) -> UnsafeMutableRawPointer {
        var reason: String?
        for path in paths {
            if let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) { return handle }
            let said = dlerror().map { String(cString: $0) }
            // The error of a file that exists and cannot be opened is more useful than that of a missing file.
            if reason == nil || access(path, F_OK) == 0 { reason = said }
        }
        throw SystemLibraryError(reason: reason ?? "")
    }
}

/// Why no file of a library can be opened, in the loader's words.
package struct SystemLibraryError: Error {
    package let reason: String
}
