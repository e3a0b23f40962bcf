// SPDX-License-Identifier: Apache-2.0
// Where a command leaves pictures and figures of what it found.

import Glibc
import Platform

/// A folder of reports.
struct ReportFolder {
    let path: String

    /// Makes the folder where there is none.
    init(_ path: String) throws(FileError) {
        self.path = path
        guard mkdir(path, 0o777) != 0, errno != EEXIST else { return }
        throw FileError(path: path, operation: .create, code: errno)
    }

    /// Writes a file whole or not at all, over one of the same name.
    func write(_ text: String, as name: String) throws {
        let writer = try AtomicFileWriter(path: "\(path)/\(name)", replaceExisting: true)
        try writer.write(Array(text.utf8))
        try writer.commit()
    }
}
