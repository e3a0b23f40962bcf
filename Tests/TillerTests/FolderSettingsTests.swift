// SPDX-License-Identifier: Apache-2.0
// Every member of config.json that transformers gives a meaning: obeyed as transformers does, refused by name, or without
// meaning for the logits (formats/safetensors.md §7). The table and its logits are those of Tests/Fixtures/settings.

import Conversion
import Formats
import JSON
import ModelFixtures
import Platform
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct FolderSettingsTests {
    private struct Case {
        let key: String
        let folder: String
        /// Members that are put into the whole, or into the language model's part.
        let set, text: JSON.Object
        let dropped: [String]
        /// A word of the error; nil where logits are right.
        let refused: String?
        /// The row of the golden logits.
        let row: Int
    }

    private static let fixtures = packageRoot + "/Tests/Fixtures/settings"

    private static func table() throws -> [JSON] {
        try JSON.parse(readFile(path: "\(fixtures)/folders.json", limit: 1 << 20)).arrayValue ?? []
    }

    private static func cases() throws -> [Case] {
        var cases: [Case] = []
        var row = 0
        for entry in try table() {
            for json in entry["cases"]?.arrayValue ?? [] {
                let refused = json["refused"]?.stringValue
                cases.append(
                    Case(
                        key: try #require(entry["key"]?.stringValue),
                        folder: try #require(json["folder"]?.stringValue),
                        set: json["set"]?.objectValue ?? [:], text: json["text"]?.objectValue ?? [:],
                        dropped: json["drop"]?.arrayValue?.compactMap(\.stringValue) ?? [],
                        refused: refused, row: row))
                if refused == nil { row += 1 }
            }
        }
        return cases
    }

    /// The folder with the case's settings.
    private func copy(_ item: Case) throws -> FolderCopy {
        let copy = FolderCopy(item.folder)
        var config = try #require(try JSON.parse(copy.bytes(of: "config.json")).objectValue)
        for member in item.set { config[member.key] = member.value }
        if !item.text.isEmpty {
            var text = try #require(config["text_config"]?.objectValue)
            for member in item.text { text[member.key] = member.value }
            config["text_config"] = .object(text)
        }
        var kept = JSON.Object()
        for member in config where !item.dropped.contains(member.key) { kept[member.key] = member.value }
        copy.write(JSON.object(kept).serializedBytes(), to: "config.json")
        return copy
    }

    @Test func everyMemberIsObeyedRefusedOrWithoutMeaning() throws {
        let bytes = try readFile(path: "\(Self.fixtures)/folders.logits.bin", limit: 1 << 24)
        let cases = try Self.cases()
        #expect(cases.count > 190)
        let columns = 290
        #expect(bytes.count == 4 * columns * cases.count { $0.refused == nil })
        for item in cases {
            let copy = try copy(item)
            let output = "\(copy.path)/model.tiller"
            let converter = Converter(
                encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: false,
                threadCount: 1, program: "test")
            let name = "\(item.key) \(JSON.object(item.set).serialized()) of \(item.folder)"
            if let word = item.refused {
                let error = #expect(throws: (any Error).self, "\(name)") {
                    try converter.convert(copy.path, to: output)
                }
                let text = error.map { "\($0)" } ?? ""
                #expect(text.contains(word) && text.contains(copy.path), "\(name): \(text)")
                continue
            }
            _ = try converter.convert(copy.path, to: output)
            let golden = try JSON.parse(
                readFile(path: "\(FolderCopy.fixtures)/\(item.folder)/golden.json", limit: 1 << 20))
            let tokens = (golden["tokens"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } }
            let session = try Engine(path: output).makeSession(contextLength: 64)
            let logits = session.logits(of: tokens, at: [tokens.count - 1])
            let expected = bytes.withUnsafeBytes { raw in
                (0..<columns).map {
                    raw.loadUnaligned(fromByteOffset: 4 * (item.row * columns + $0), as: Float.self)
                }
            }
            let difference = largestDifference(logits, expected)
            #expect(difference < ForwardPassTests.tolerance, "\(name): \(difference)")
        }
    }

    /// The document says of each member what the table says.
    @Test func theDocumentHasTheTable() throws {
        let page = try readFile(path: packageRoot + "/formats/safetensors.md", limit: 1 << 20)
        let lines = String(decoding: page, as: UTF8.self).split(separator: "\n")
        for verdict in ["obeyed", "refused", "without meaning"] {
            let row = try #require(lines.first { $0.hasPrefix("| \(verdict)") })
            let named = Set(
                row.split(separator: "`").enumerated().filter { $0.offset % 2 == 1 }.map {
                    String($0.element)
                })
            let keys = try Self.table().filter { $0["verdict"]?.stringValue == verdict }.compactMap {
                $0["key"]?.stringValue
            }
            #expect(named == Set(keys), "\(verdict)")
        }
    }
}
