// SPDX-License-Identifier: Apache-2.0
// The location of the library: the system's folders, or the user's explicit path.

import Glibc
import Platform

package enum OpenBLASFile {
    /// A file to open instead, by its absolute path; for systems that keep libraries elsewhere.
    static let variable = "TILLER_OPENBLAS"

    private static let names = ["libopenblas.so.0", "libopenblas.so"]

    /// The files to try, in this order.
    /// - Throws: `LinearAlgebraError` if the variable holds no absolute path.
    package static func candidates(variable value: String?) throws(LinearAlgebraError) -> [String] {
        guard let value else { return SystemLibrary.candidates(named: names) }
        guard value.hasPrefix("/") else {
            throw LinearAlgebraError(
                .libraryMissing, "\(variable) is '\(value)'; expected the library's absolute path")
        }
        return [value]
    }

    /// - Throws: `LinearAlgebraError` if no file can be opened.
    static func open() throws(LinearAlgebraError) -> UnsafeMutableRawPointer {
        let given = getenv(variable).map { String(cString: $0) }
        let paths = try candidates(variable: given)
        do throws(SystemLibraryError) { return try SystemLibrary.open(paths) } catch {
            throw LinearAlgebraError(
                .libraryMissing,
                "training needs OpenBLAS, which cannot be opened from the system's folders (\(error.reason)); Debian, Ubuntu: "
                    + "apt-get install libopenblas0; elsewhere: \(variable)=/path/to/libopenblas.so")
        }
    }
}
