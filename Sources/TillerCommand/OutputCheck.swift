// SPDX-License-Identifier: Apache-2.0
// Checks output paths: every command calls these functions before its work.

import Commands
import Glibc
import Platform
import Tiller

/// A file that a command reads, with its name in errors, such as "the model"; without a path nothing is read.
struct InputFile {
    let role: String
    let path: String?

    init(_ role: String, _ path: String?) {
        self.role = role
        self.path = path
    }
}

/// Refuses an output that cannot be written: the folder does not exist, `--force` is missing, the path leads to a pipe or
/// a device, or writing would destroy a file that the command reads.
func requireOutput(_ path: String, force: Bool, apartFrom inputs: InputFile...) throws {
    guard !path.isEmpty else { throw TillerError.invalidOption("the output has no name") }
    var status = stat()
    let folder = path.folderPart.isEmpty ? "." : path.folderPart
    guard stat(folder, &status) == 0 else {
        throw TillerError.invalidFile("\(path): there is no folder \(folder) to write it to")
    }
    try requireApart(path, from: inputs)
    do { try OutputTarget.check(path, replaceExisting: force) } catch {
        guard error.code == EEXIST, error.operation == .create else { throw error }
        throw TillerError.invalidFile(
            "\(path) already exists; choose another name, or use --force to replace it")
    }
}

/// Refuses an output that is one of the inputs, even under another path.
func requireApart(_ output: String, from inputs: [InputFile]) throws(TillerError) {
    for input in inputs {
        guard let path = input.path, OutputTarget.isWritten(path, by: output) else { continue }
        throw .invalidFile("\(output) is \(input.role) itself; name another file for the output")
    }
}
