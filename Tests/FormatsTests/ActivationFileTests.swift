// SPDX-License-Identifier: Apache-2.0
// Activations are written and read back; shards make the same whole in any order; a full disk leaves nothing.

import Formats
import Platform
import Testing

struct ActivationFileTests {
    private let folder = TemporaryFolder()

    private static let rows = RawActivations.texts.enumerated().map { index, hash in
        ActivationRow(textHash: hash, label: index == 4 ? 0 : index % 2 == 0 ? 1 : -1, number: index % 4 / 2)
    }
    private static let header = ActivationHeader(
        model: "tiny", sourceHash: SHA256.digest(of: "weights".utf8), layerCount: 4, width: 3,
        position: .mean,
        dataHash: ActivationRow.dataHash(of: RawActivations.texts), pairCount: 2, textCount: 1)

    /// Writes what `RawActivations` is.
    private func write(to path: String, fault: SimulatedFault? = nil) throws {
        let writer = try ActivationWriter(
            path: path, replaceExisting: true, header: Self.header, layers: [1, 3], rows: Self.rows,
            fault: fault)
        for row in Self.rows.indices.reversed() {
            let states = [1, 3].map { layer in (0..<3).map { Float(100 * row + 10 * layer + $0) } }
            try writer.write(row: row, tokenCount: row + 2, states: states)
        }
        try writer.finish()
    }

    @Test func whatIsWrittenIsRead() throws {
        let path = "\(folder.path)/a.safetensors"
        try write(to: path)
        #expect(folder.read(path) == RawActivations().bytes)
        let file = try ActivationFile(path: path)
        #expect(file.header == Self.header && file.layers == [1, 3] && file.rows == Self.rows)
        #expect(file.tokenCounts == [2, 3, 4, 5, 6])
        #expect(file.states(layer: 3).prefix(5) == [30, 31, 32, 130, 131])
    }

    @Test func halfPrecisionIsRead() throws {
        let file = try RawActivations().changing("layer.1") { tensor in
            tensor.type = .f16
            // 1.5, −2 and so on.
            tensor.bytes = (0..<15).flatMap { [0x00, $0 % 2 == 0 ? 0x3E : 0xC0] }
        }.opened()
        #expect(file.states(layer: 1).prefix(3) == [1.5, -2, 1.5])
    }

    @Test func shardsMakeTheSameWholeInAnyOrder() throws {
        let whole = try ActivationSet([RawActivations().opened()])
        let shards = try [("1/3", [4, 1, 0]), ("3/3", [2, 3])].map {
            try RawActivations(shard: $0.0, places: $0.1).opened()
        }
        // The second of three is missing.
        #expect(throws: FormatError.self) { try ActivationSet(shards) }
        let halves = try [("1/2", [4, 1, 0]), ("2/2", [3, 2])].map {
            try RawActivations(shard: $0.0, places: $0.1).opened()
        }
        for files in [halves, halves.reversed()] {
            let set = try ActivationSet(files)
            #expect(set.header == whole.header && set.rows == whole.rows && set.layers == whole.layers)
            #expect(set.tokenCounts == whole.tokenCounts)
            for layer in set.layers { #expect(set.states(layer: layer) == whole.states(layer: layer)) }
        }
    }

    @Test func aFullDiskLeavesNothing() throws {
        let path = "\(folder.path)/b.safetensors"
        for limit in stride(from: 0, to: RawActivations().bytes.count, by: 37) {
            let error = #expect(throws: FileError.self) {
                try write(to: path, fault: .diskFull(afterByteCount: limit))
            }
            #expect(error?.description.contains("No space left on device") == true)
            #expect(throws: FileError.self) { try ActivationFile(path: path) }
        }
    }

    @Test(arguments: [
        ("last", PositionRule.last), ("mean", .mean), ("after:\n\nAnswer:", .after(marker: "\n\nAnswer:")),
        ("after:é", .after(marker: "é")),
    ])
    func positionRulesAreWrittenAsTheyAreRead(text: String, rule: PositionRule) {
        #expect(PositionRule(text) == rule && rule.description == text)
    }

    @Test func promptsAndTextsDoNotRunTogether() {
        let hashes = [
            ActivationRow.textHash(prompt: nil, text: "ab"), ActivationRow.textHash(prompt: "a", text: "b"),
            ActivationRow.textHash(prompt: "", text: "ab"), ActivationRow.textHash(prompt: "ab", text: ""),
        ]
        #expect(Set(hashes).count == 4)
    }
}
