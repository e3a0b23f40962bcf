// SPDX-License-Identifier: Apache-2.0
// Where the library lies. A name without a folder would be looked for in LD_LIBRARY_PATH first, and so also in a folder of
// downloads: what is opened runs with the user's rights, so it is opened from the system's folders, or from where the user says.

import Glibc

package enum OpenBLASFile {
    /// A file that is opened instead, by its whole path; for systems that keep libraries elsewhere.
    static let variable = "TILLER_OPENBLAS"

    #if arch(x86_64)
    private static let triplet = "x86_64-linux-gnu"
    #else
    private static let triplet = "aarch64-linux-gnu"
    #endif

    /// Of distributions that have a folder for each architecture, of those that do not, and of who administers the machine.
    private static let folders = [
        "/usr/lib/" + triplet, "/lib/" + triplet, "/usr/lib64", "/lib64", "/usr/lib", "/lib",
        "/usr/local/lib64",
        "/usr/local/lib",
    ]
    private static let names = ["libopenblas.so.0", "libopenblas.so"]

    /// The files that are tried, in this order.
    /// - Throws: `LinearAlgebraError` where the variable holds no whole path.
    package static func candidates(variable value: String?) throws(LinearAlgebraError) -> [String] {
        guard let value else { return folders.flatMap { folder in names.map { "\(folder)/\($0)" } } }
        guard value.hasPrefix("/") else {
            throw LinearAlgebraError(
                .libraryMissing, "\(variable) is '\(value)'; expected the library's path from the root on")
        }
        return [value]
    }

    /// - Throws: `LinearAlgebraError` where no file can be opened.
    static func open() throws(LinearAlgebraError) -> UnsafeMutableRawPointer {
        let given = getenv(variable).map { String(cString: $0) }
        var reason: String?
        for path in try candidates(variable: given) {
            if let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) { return handle }
            let said = dlerror().map { String(cString: $0) }
            // What is there and cannot be opened says more than what is not there.
            if reason == nil || access(path, F_OK) == 0 { reason = said }
        }
        throw LinearAlgebraError(
            .libraryMissing,
            "training needs OpenBLAS, which cannot be opened from the system's folders (\(reason ?? "")); Debian, Ubuntu: "
                + "apt-get install libopenblas0; elsewhere: \(variable)=/path/to/libopenblas.so")
    }
}
