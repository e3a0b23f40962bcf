// SPDX-License-Identifier: Apache-2.0
// What a valid safetensors file says, alone and as one of several; damaged files by the ten thousand.

import Formats
import TestSupport
import Testing

struct SafetensorsFileTests {
    @Test func tensorsAreFoundByNameInTheOrderOfTheirBytes() throws {
        let file = try SafetensorsFile(bytes: ByteView(copying: RawSafetensors().bytes))
        #expect(file.tensors.map(\.name) == ["a", "b"])
        #expect(file.metadata["format"]?.stringValue == "pt")
        let a = try #require(file.tensor(named: "a")), b = try #require(file.tensor(named: "b"))
        #expect(a.type == .f32 && a.shape == [2, 2] && b.type == .bf16 && b.shape == [4])
        #expect(Array(file.bytes(of: a)) == Array(0..<16) && Array(file.bytes(of: b)) == Array(16..<24))
        #expect(file.tensor(named: "c") == nil)
    }

    @Test(arguments: [
        ("{}", 0), ("{}   ", 0), ("{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8),
        ("{\"z\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[0,0]}}", 0),
        ("{\"m\":{\"dtype\":\"F4\",\"shape\":[2,3],\"data_offsets\":[0,3],\"more\":[]}}", 3),
    ])
    func whatTheSpecificationAllowsIsRead(header: String, dataByteCount: Int) throws {
        _ = try SafetensorsFile(
            bytes: ByteView(copying: RawSafetensors(header: header, dataByteCount: dataByteCount).bytes))
    }

    // MARK: - Several files

    private let folder = TemporaryFolder()

    private func shard(_ name: String, tensor: String) {
        let header = "{\"\(tensor)\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"
        _ = folder.file(name, RawSafetensors(header: header, dataByteCount: 2).bytes)
    }

    private func index(_ map: String) {
        _ = folder.file("model.safetensors.index.json", Array("{\"weight_map\":\(map)}".utf8))
    }

    @Test func shardsAreOneModel() throws {
        shard("two.safetensors", tensor: "a")
        shard("one.safetensors", tensor: "b")
        index("{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}")
        let model = try #require(try SafetensorsModel(folder: folder.path))
        #expect(model.files.map(\.name) == ["one.safetensors", "two.safetensors"])
        #expect(model.tensorNames == ["b", "a"])
        #expect(model.tensor(named: "a").map { Array($0.bytes) } == [0, 1])
        #expect(model.tensor(named: "c") == nil)
    }

    @Test func theOneFileGoesFirst() throws {
        index("{\"a\":\"missing.safetensors\"}")
        _ = folder.file("model.safetensors", RawSafetensors().bytes)
        #expect(try SafetensorsModel(folder: folder.path)?.tensorNames == ["a", "b"])
        #expect(try SafetensorsModel(folder: folder.path + "/nowhere") == nil)
    }

    @Test(arguments: [
        "{\"a\":\"one.safetensors\",\"c\":\"one.safetensors\"}", "{\"c\":\"one.safetensors\"}",
        "{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}",
    ])
    func indexAndShardsMustAgree(map: String) throws {
        shard("one.safetensors", tensor: "a")
        shard("two.safetensors", tensor: "b")
        index(map)
        let error = try #require(throws: FormatError.self) { try SafetensorsModel(folder: folder.path) }
        #expect(error.rule == .safetensorsIndexAndShards && error.path.hasSuffix("index.json"))
    }

    @Test func aMissingShardIsNamed() throws {
        index("{\"a\":\"gone.safetensors\"}")
        let error = try #require(throws: (any Error).self) { try SafetensorsModel(folder: folder.path) }
        #expect("\(error)".contains("gone.safetensors: cannot open"))
    }

    // MARK: - Damage

    /// Digits and marks that make other numbers and other structures out of a header.
    private static let pieces = [
        "0", "9", "-", ",", ":", "\"", "[", "]", "{", "}", " ", "e9", ".5", "null", "99999999999", "F32",
        "9223372036854775807", "18446744073709551615", "-1", "\\u0000", "\u{E9}",
    ].map { Array($0.utf8) }

    /// Values of a header that are well formed and seldom right.
    private static let values = [
        "[]", "[0]", "[4]", "[1,4]", "[2,2]", "[3]", "[-1]", "[0,16]", "[16,24]", "[15,23]", "[24,24]",
        "[8,16]",
        "[17,25]", "[24,16]", "[24,40]", "[4294967296,4294967296]", "[0,9223372036854775807]", "\"F32\"",
        "\"BF16\"", "\"F4\"", "\"Q4\"", "{}", "null", "{\"a\":\"b\"}",
    ]

    /// The usual header with some of its values replaced.
    private func otherHeader(_ mutator: inout Mutator) -> [UInt8] {
        var text = ""
        for part in RawSafetensors.header.split(separator: ":", omittingEmptySubsequences: false) {
            let close: Character = part.first == "[" ? "]" : "\""
            let end = part.dropFirst().firstIndex(of: close).map { part.index(after: $0) } ?? part.endIndex
            let isValue = part.first == "[" || part.first == "\""
            text += text.isEmpty ? "" : ":"
            text +=
                isValue && mutator.below(4) == 0
                ? Self.values[mutator.below(Self.values.count)] + part[end...] : String(part)
        }
        return Array(text.utf8)
    }

    @Test func mutatedSafetensorsFilesAreReadOrRefused() {
        let header = Array(RawSafetensors.header.utf8)
        var mutator = Mutator(seed: 21)
        var outcome = Outcome()
        for round in 0..<60_000 {
            var bytes: [UInt8]
            if round % 3 == 0 {
                bytes = RawSafetensors().bytes
                mutator.mutate(&bytes)
            } else {
                // The header's text under its right length: what a parser must stand.
                var text = round % 3 == 1 ? otherHeader(&mutator) : header
                for _ in 0..<(round % 3 == 1 ? mutator.below(2) : 3) {
                    let place = mutator.below(text.count)
                    let end = min(place + mutator.below(3), text.count)
                    text.replaceSubrange(place..<end, with: Self.pieces[mutator.below(Self.pieces.count)])
                }
                bytes = RawSafetensors(dataByteCount: 20 + mutator.below(8)).bytes(header: text)
            }
            outcome.count { () throws(FormatError) in try exerciseSafetensors(bytes) }
        }
        outcome.report("Safetensors")
        #expect(outcome.refused.count >= 14)
    }

    @Test func mutatedIndexesAreReadOrRefused() {
        let text = Array(
            "{\"metadata\":{\"total_size\":9},\"weight_map\":{\"a\":\"x-1.safetensors\",\"b\":\"x-2\"}}".utf8)
        var mutator = Mutator(seed: 22)
        var outcome = Outcome()
        for _ in 0..<10_000 {
            var bytes = text
            mutator.mutate(&bytes)
            outcome.count { () throws(FormatError) in
                try SafetensorsIndex(bytes: ByteView(copying: bytes)).shardNames.count
            }
        }
        outcome.report("Safetensors indexes")
        #expect(outcome.refused.count >= 3)
    }

    /// Reads all metadata and every tensor's first and last byte.
    private func exerciseSafetensors(_ bytes: [UInt8]) throws(FormatError) -> Int {
        let file = try SafetensorsFile(bytes: ByteView(copying: bytes))
        var sum = file.metadata.reduce(0) { $0 &+ $1.key.utf8.count }
        for tensor in file.tensors {
            let bytes = file.bytes(of: tensor)
            sum &+= Int(bytes.first ?? 0) &+ Int(bytes.last ?? 0) &+ tensor.shape.count
        }
        return sum
    }
}
