// SPDX-License-Identifier: Apache-2.0
// A copy of a model folder of Tests/Fixtures/folders, in which a test can damage one thing.

import Glibc

/// A folder that is removed with the last reference.
package final class FolderCopy: Sendable {
    package static let fixtures = packageRoot + "/Tests/Fixtures/folders"

    private let folder = TemporaryFolder()
    package var path: String { folder.path }

    /// Copies a fixture's files but for the golden ones.
    package init(_ name: String) {
        let source = "\(Self.fixtures)/\(name)"
        guard let stream = opendir(source) else { preconditionFailure("no fixture \(source)") }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let file = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !file.hasPrefix("."), !file.hasPrefix("golden") {
                write(Self.bytes(at: "\(source)/\(file)"), to: file)
            }
        }
    }

    package func bytes(of file: String) -> [UInt8] { Self.bytes(at: "\(path)/\(file)") }
    package func text(of file: String) -> String { String(decoding: bytes(of: file), as: UTF8.self) }
    package func remove(_ file: String) { unlink("\(path)/\(file)") }
    /// Names of files in the making.
    package var partialNames: [String] { folder.partialNames }
    package func exists(_ file: String) -> Bool { access("\(path)/\(file)", F_OK) == 0 }

    package func write(_ bytes: [UInt8], to file: String) {
        guard let stream = fopen("\(path)/\(file)", "wb") else { preconditionFailure("cannot write \(file)") }
        fwrite(bytes, 1, bytes.count, stream)
        fclose(stream)
    }

    /// Replaces the first occurrence of a text in a file.
    package func replace(_ old: String, by new: String, in file: String) {
        let text = text(of: file)
        let parts = text.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
        precondition(parts.count == 2, "\(file) has no \(old)")
        write(Array(parts.joined(separator: new).utf8), to: file)
    }

    /// Overwrites one number of a tensor.
    ///
    /// - Parameters:
    ///   - index: in the order of the file, row after row.
    ///   - number: its bytes, as many as the tensor's type has.
    package func set(
        _ tensor: String, at index: Int, to number: [UInt8], in file: String = "model.safetensors"
    ) {
        var bytes = bytes(of: file)
        let start = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = String(decoding: bytes[8..<start], as: UTF8.self)
        let rest = header.split(separator: "\"\(tensor)\"", maxSplits: 1).last?
            .split(separator: "\"data_offsets\":[", maxSplits: 1).last
        guard let offset = rest.flatMap({ Int($0.prefix(while: \.isNumber)) }) else {
            preconditionFailure("\(file) has no \(tensor)")
        }
        bytes.replaceSubrange(
            start + offset + index * number.count..<start + offset + (index + 1) * number.count, with: number)
        write(bytes, to: file)
    }

    package static func bytes(at path: String) -> [UInt8] {
        guard let stream = fopen(path, "rb") else { preconditionFailure("cannot read \(path)") }
        defer { fclose(stream) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&chunk, 1, chunk.count, stream), count > 0 { result += chunk[..<count] }
        return result
    }
}
