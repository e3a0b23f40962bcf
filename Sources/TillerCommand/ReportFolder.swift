// SPDX-License-Identifier: Apache-2.0
// A command's output folder for pictures and figures.

import Glibc
import Platform
import Tiller

/// A folder of reports.
struct ReportFolder {
    private let path: String
    /// The command's input files, which no report may replace.
    private let inputs: [InputFile]

    /// Creates the folder if it does not exist.
    init(_ path: String, apartFrom inputs: [InputFile]) throws(FileError) {
        self.path = path
        self.inputs = inputs
        guard mkdir(path, 0o777) != 0, errno != EEXIST else { return }
        throw FileError(path: path, operation: .create, code: errno)
    }

    /// The path for a report.
    /// - Throws: `TillerError` if it is one of the inputs.
    func place(for name: String) throws(TillerError) -> String {
        let report = "\(path)/\(name)"
        try requireApart(report, from: inputs)
        return report
    }

    /// Writes a file atomically, replacing one of the same name.
    func write(_ text: String, as name: String) throws {
        try AtomicFileWriter.write(Array(text.utf8), to: place(for: name), replaceExisting: true)
    }
}
