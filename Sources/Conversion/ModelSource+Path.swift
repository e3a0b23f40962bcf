// SPDX-License-Identifier: Apache-2.0
// Determines the kind of source at a path: a folder, or a file identified by its first bytes.

import Formats
import Glibc
import Models
import Platform

extension ModelSource {
    /// Opens a source.
    ///
    /// - Parameters:
    ///   - path: a GGUF file (any part of a model in several), a model folder or a `.tiller` file.
    ///   - output: the file to write, which must not be part of the source.
    /// - Throws: `ConversionError`, `FileError`, or the errors of the kind of source.
    package init(path: String, output: String? = nil) throws {
        // Tables of names and tokens are arrays, which cannot refuse.
        try SystemMemory.requireRoom(byteCount: Self.smallByteCount)
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            let folder = try HuggingFaceModel(path: path)
            for file in folder.fileNames { try Self.requireOther(output, than: "\(path)/\(file)") }
            try self.init(folder: folder)
            self.path = path
            return
        }
        let mapped = try MappedFile(path: path)
        try Self.requireOther(output, than: path)
        if mapped.bytes.starts(with: "GGUF".utf8) {
            let parts = try GGUFParts(path: path, mapped: mapped)
            for part in parts.paths { try Self.requireOther(output, than: part) }
            try self.init(gguf: parts, path: path)
        } else if mapped.bytes.starts(with: [0x89, 0x54, 0x49, 0x4C, 0x4C, 0x45, 0x52, 0x0A]) {
            try self.init(tiller: TillerFile(mapped: mapped))
        } else {
            let first = mapped.bytes.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            let found =
                mapped.bytes.isEmpty ? "is empty" : "begins with the bytes \(first.joined(separator: " "))"
            throw ConversionError(
                "\(path) \(found), expected a GGUF file, which begins with 47 47 55 46, a .tiller file or the "
                    + "folder of a model with safetensors files")
        }
        self.path = path
    }

    /// Room for the arrays of a small vocabulary, and for texts.
    static let smallByteCount = 4 << 20

    /// The source must not be overwritten, even under another name.
    static func requireOther(_ output: String?, than source: String) throws {
        if let output, OutputTarget.isWritten(source, by: output) {
            throw ConversionError("\(output) is the source itself; name another file for the output")
        }
    }
}
