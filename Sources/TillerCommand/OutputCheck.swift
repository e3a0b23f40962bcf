// SPDX-License-Identifier: Apache-2.0
// Where a command writes: every command asks here, before its work, whether its output may be written.

import Commands
import Glibc
import Platform
import Tiller

/// A file that a command reads, and what its errors call it, such as "the model"; without a path nothing is read.
struct InputFile {
    let role: String
    let path: String?

    init(_ role: String, _ path: String?) {
        self.role = role
        self.path = path
    }
}

/// Refuses to begin work whose output could not be written: for want of a folder or of `--force`, because the name
/// leads to a pipe or a device, or because a file that the command reads would be lost.
func requireOutput(_ path: String, force: Bool, apartFrom inputs: InputFile...) throws {
    guard !path.isEmpty else { throw TillerError.invalidOption("the output has no name") }
    var status = stat()
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    guard stat(folder, &status) == 0 else {
        throw TillerError.invalidFile("\(path): there is no folder \(folder) to write it to")
    }
    try requireApart(path, from: inputs)
    do { try OutputTarget.check(path, replaceExisting: force) } catch {
        guard error.code == EEXIST, error.operation == .create else { throw error }
        throw TillerError.invalidFile(
            "\(path) exists already; choose another name, or --force to replace it")
    }
}

/// Refuses an output that is one of the inputs, under whatever name.
func requireApart(_ output: String, from inputs: [InputFile]) throws(TillerError) {
    for input in inputs {
        guard let path = input.path, OutputTarget.isWritten(path, by: output) else { continue }
        throw .invalidFile("\(output) is \(input.role) itself; name another file for the output")
    }
}
