// SPDX-License-Identifier: Apache-2.0
// The location of the library. The loader would look for a bare name in LD_LIBRARY_PATH first, which may include a folder of
// downloads. The library runs with the user's rights, so only the system's folders or the user's explicit path are used.

import Glibc

package enum OpenBLASFile {
    /// A file to open instead, by its absolute path; for systems that keep libraries elsewhere.
    static let variable = "TILLER_OPENBLAS"

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
    private static let names = ["libopenblas.so.0", "libopenblas.so"]

    /// The files to try, in this order.
    /// - Throws: `LinearAlgebraError` if the variable holds no absolute path.
    package static func candidates(variable value: String?) throws(LinearAlgebraError) -> [String] {
        guard let value else { return folders.flatMap { folder in names.map { "\(folder)/\($0)" } } }
        guard value.hasPrefix("/") else {
            throw LinearAlgebraError(
                .libraryMissing, "\(variable) is '\(value)'; expected the library's absolute path")
        }
        return [value]
    }

    /// - Throws: `LinearAlgebraError` if no file can be opened.
    static func open() throws(LinearAlgebraError) -> UnsafeMutableRawPointer {
        let given = getenv(variable).map { String(cString: $0) }
        var reason: String?
        for path in try candidates(variable: given) {
            if let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) { return handle }
            let said = dlerror().map { String(cString: $0) }
            // The error of a file that exists and cannot be opened is more useful than that of a missing file.
            if reason == nil || access(path, F_OK) == 0 { reason = said }
        }
        throw LinearAlgebraError(
            .libraryMissing,
            "training needs OpenBLAS, which cannot be opened from the system's folders (\(reason ?? "")); Debian, Ubuntu: "
                + "apt-get install libopenblas0; elsewhere: \(variable)=/path/to/libopenblas.so")
    }
}
