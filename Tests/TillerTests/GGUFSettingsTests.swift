// SPDX-License-Identifier: Apache-2.0
// Every key of a GGUF that llama.cpp gives a meaning for these architectures: obeyed as llama.cpp does, refused by name, or
// without meaning for the logits (formats/gguf.md §8). The table and its logits are those of Tests/Fixtures/settings.

import Conversion
import Formats
import JSON
import ModelFixtures
import Models
import Platform
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct GGUFSettingsTests {
    private static let fixtures = packageRoot + "/Tests/Fixtures/settings"
    private let folder = TemporaryFolder()

    private static func table() throws -> [JSON] {
        try JSON.parse(readFile(path: "\(fixtures)/gguf.json", limit: 1 << 20)).arrayValue ?? []
    }

    private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    private static func string(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes += Self.littleEndian(UInt64(text.utf8.count))
        return bytes + Array(text.utf8)
    }

    /// A metadata pair: Bool, UInt32, Float32 or a string, as the JSON value is written.
    private static func pair(_ key: String, _ value: JSON) -> [UInt8] {
        var bytes = string(key)
        switch value {
        case .bool(let bool):
            bytes += Self.littleEndian(UInt32(7))
            bytes.append(bool ? 1 : 0)
        case .integer(let number):
            bytes += Self.littleEndian(UInt32(4))
            bytes += Self.littleEndian(UInt32(number))
        case .number(let number):
            bytes += Self.littleEndian(UInt32(6))
            bytes += Self.littleEndian(Float(number).bitPattern)
        default:
            bytes += Self.littleEndian(UInt32(8))
            bytes += string(value.stringValue ?? "")
        }
        return bytes
    }

    /// The model with other metadata; null drops a key.
    private func write(_ model: String, _ settings: JSON.Object) throws -> String {
        var bytes = try readFile(path: "\(TinyModel.folder)/\(model).gguf", limit: 1 << 24)
        var (added, count): ([UInt8], UInt64) = ([], 1)
        for member in settings {
            // A key that is there gets a name that nobody asks for.
            let name = Self.string(member.key)
            // Eight bytes of length come before the name; most places differ in its first letter.
            let start = bytes[..<(bytes.count - name.count)].indices.first {
                bytes[$0 + 8] == name[8] && bytes[$0] == name[0]
                    && bytes[$0..<$0 + name.count].elementsEqual(name)
            }
            if let start { bytes[start + name.count - 1] = UInt8(ascii: "~") }
            guard !member.value.isNull else { continue }
            added += Self.pair(member.key, member.value)
            count += 1
        }
        // Tensors keep their distance to the alignment.
        let filler = Self.pair("filler", "").count
        let missing = (32 - (added.count + filler) % 32) % 32
        added += Self.pair("filler", .string(String(repeating: "x", count: missing)))
        count += bytes[16..<24].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        var header = Array(bytes[..<16])
        header += Self.littleEndian(count)
        let path = "\(folder.path)/changed.gguf"
        let file = try AtomicFileWriter(path: path, replaceExisting: true)
        try (header + added + bytes[24...]).withUnsafeBytes { try file.write($0) }
        try file.commit()
        return path
    }

    private func convert(_ path: String) throws -> String {
        let output = "\(folder.path)/model.tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 1, program: "test")
        _ = try converter.convert(path, to: output)
        return output
    }

    private func expectRefusal(_ path: String, _ word: String, _ name: String) {
        let error = #expect(throws: (any Error).self, "\(name)") { try convert(path) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(word) && text.contains(path), "\(name): \(text)")
    }

    @Test func everyKeyIsObeyedRefusedOrWithoutMeaning() throws {
        let bytes = try readFile(path: "\(Self.fixtures)/gguf.logits.bin", limit: 1 << 24)
        let columns = 290
        var row = 0
        for entry in try Self.table() {
            for item in entry["cases"]?.arrayValue ?? [] {
                let model = try #require(item["model"]?.stringValue)
                let settings = item["set"]?.objectValue ?? [:]
                let path = try write(model, settings)
                let name = "\(JSON.object(settings).serialized()) of \(model)"
                if let word = item["refused"]?.stringValue {
                    expectRefusal(path, word, name)
                    continue
                }
                let session = try Engine(path: convert(path)).makeSession(contextLength: 64)
                let tokens = try TinyModel(model).tokens
                let logits = session.logits(of: tokens, at: [tokens.count - 1])
                let expected = bytes.withUnsafeBytes { raw in
                    (0..<columns).map {
                        raw.loadUnaligned(fromByteOffset: 4 * (row * columns + $0), as: Float.self)
                    }
                }
                row += 1
                let difference = largestDifference(logits, expected)
                #expect(difference < ForwardPassTests.tolerance, "\(name): \(difference)")
            }
        }
        #expect(row > 50 && bytes.count == 4 * columns * row)
    }

    /// Keys of other architectures would make another model of these.
    @Test func keysOfOtherArchitecturesSayNothingOrAreRefused() throws {
        let plain = try TillerFile(path: convert(write("llama", [:]))).manifest.configuration
        for (key, neutral) in GGUFNeutralKeys.values {
            for value in neutral {
                let path = try write("llama", ["llama.\(key)": .number(value)])
                #expect(try TillerFile(path: convert(path)).manifest.configuration == plain, "\(key)")
            }
            for value: JSON in [.number(0.25), .integer(7), "x"] {
                expectRefusal(try write("llama", ["llama.\(key)": value]), key, key)
            }
        }
        expectRefusal(try write("llama", ["llama.swin_norm": true]), "swin_norm", "swin_norm")
        _ = try convert(write("llama", ["llama.swin_norm": false]))
    }

    /// The document says of each key what the table says.
    @Test func theDocumentHasTheTable() throws {
        let page = try readFile(path: packageRoot + "/formats/gguf.md", limit: 1 << 20)
        let lines = String(decoding: page, as: UTF8.self).split(separator: "\n")
        let table = try Self.table()
        for verdict in ["obeyed", "refused", "without meaning"] {
            let row = try #require(lines.first { $0.hasPrefix("| \(verdict)") })
            let parts = row.split(separator: "`", omittingEmptySubsequences: false)
            let named = Set(parts.indices.filter { $0 % 2 == 1 }.map { String(parts[$0]) })
            var keys = table.filter { $0["verdict"]?.stringValue == verdict }
                .compactMap { $0["key"]?.stringValue }
            if verdict == "refused" { keys += GGUFNeutralKeys.values.keys }
            #expect(named == Set(keys), "\(verdict)")
        }
    }
}
