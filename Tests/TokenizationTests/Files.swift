// SPDX-License-Identifier: Apache-2.0
// Where tests find files: fixtures beside them, and the shared data folder, which is no part of the project.

import Glibc
import JSON

enum Files {
    /// <package>/Tests
    static let tests = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    /// `TILLER_SHARED_DATA`, or `shared/data` beside the package's folder.
    static let shared: String = environment("TILLER_SHARED_DATA") ?? tests + "/../../shared/data"

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The bytes of a file; nil if it cannot be read.
    static func contents(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&block, 1, block.count, file)
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: block[..<count])
        }
    }

    /// The names in a folder, sorted; none if it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names.sorted()
    }
}

/// A file of Tests/Fixtures/tokenizer: a vocabulary, and ids that its own library made.
struct GoldenFile {
    let json: JSON

    init(_ name: String) throws {
        let path = Files.tests + "/Fixtures/tokenizer/" + name
        json = try JSON.parse(Files.contents(of: path) ?? [])
    }

    var texts: [String] { strings("texts") }
    var types: [Int] { (json["types"]?.arrayValue ?? []).compactMap(\.intValue) }
    var scores: [Float] { (json["scores"]?.arrayValue ?? []).compactMap { $0.doubleValue.map { Float($0) } } }
    var merges: [String] { strings("merges") }
    var cases: [JSON] { json["cases"]?.arrayValue ?? [] }

    private func strings(_ key: String) -> [String] {
        (json[key]?.arrayValue ?? []).compactMap(\.stringValue)
    }
}

extension JSON {
    /// The ids of a case.
    var ids: [Int32] { (self["ids"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } } }

    /// The input of a case: a text, or bytes in hexadecimal.
    var input: [UInt8] {
        if let text = self["text"]?.stringValue { return Array(text.utf8) }
        let digits = Array(self["hex"]?.stringValue ?? "")
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(digits[$0...$0 + 1]), radix: 16)
        }
    }
}
