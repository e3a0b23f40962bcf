// SPDX-License-Identifier: Apache-2.0
// Files for tests that need real ones.

import Glibc

/// A path in a fresh folder, which is removed with everything in it at the end.
final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/tiller-formats-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, let made = mkdtemp(base) else {
                fatalError("no temporary folder")
            }
            return String(cString: made)
        }
    }

    deinit {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                unlink("\(path)/\(name)")
            }
            closedir(folder)
        }
        rmdir(path)
    }

    /// The path of a file with this content.
    func file(_ name: String, _ bytes: [UInt8]) -> String {
        let path = "\(path)/\(name)"
        write(bytes, to: path)
        return path
    }

    func write(_ bytes: [UInt8], to path: String) {
        guard let file = fopen(path, "wb") else { fatalError("cannot write \(path)") }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    /// Fills a file with one byte, in place and without cutting it off.
    func overwrite(_ path: String, with byte: UInt8) {
        let count = read(path).count
        guard let file = fopen(path, "r+b") else { fatalError("cannot write \(path)") }
        fwrite([UInt8](repeating: byte, count: count), 1, count, file)
        fclose(file)
    }

    func read(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "rb") else { fatalError("cannot read \(path)") }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        var bytes = [UInt8](repeating: 0, count: ftell(file))
        rewind(file)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }
}
