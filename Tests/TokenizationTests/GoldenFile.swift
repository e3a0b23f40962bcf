// SPDX-License-Identifier: Apache-2.0
// The expected values of Tests/Fixtures/tokenizer.

import JSON
import TestSupport

/// A file of Tests/Fixtures/tokenizer: a vocabulary, and ids that its own library made.
struct GoldenFile {
    let json: JSON

    init(_ name: String) throws {
        let path = packageRoot + "/Tests/Fixtures/tokenizer/" + name
        json = try JSON.parse(SharedData.contents(of: path) ?? [])
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
