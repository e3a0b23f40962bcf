// SPDX-License-Identifier: Apache-2.0
// One broken file, or set of shards, for each rule of formats/activations.md, and the error that it must give.

import Formats
import Testing

struct ActivationRuleTests {
    static let valid = RawActivations()

    /// A rule and files that break it, each by one change to a valid file.
    static let cases: [(rule: FormatRule, files: [RawActivations])] = [
        (.activationsFormat, [nil, "", "pt", "Tiller.activations"].map { valid.changing("format", $0) }),
        (.activationsVersion, [nil, "", "2", "1.0"].map { valid.changing("version", $0) }),
        (
            .activationsModel,
            [
                valid.changing("model", nil), valid.changing("model", ""),
                valid.changing("model", String(repeating: "x", count: 257)),
                valid.changing("source_sha256", nil), valid.changing("source_sha256", "abc"),
                valid.changing("source_sha256", String(repeating: "A", count: 64)),
            ]
        ),
        (
            .activationsShape,
            [nil, "0", "-1", "1025", "4.0", "+4", "04", " 4", "99999999999999999999"].map {
                valid.changing("layer_count", $0)
            } + [nil, "0", "1048577", "3x"].map { valid.changing("width", $0) }
        ),
        (
            .activationsPosition,
            [nil, "", "first", "after", "after:", "after:" + String(repeating: "x", count: 257)].map {
                valid.changing("position", $0)
            }
        ),
        (
            .activationsData,
            [
                valid.changing("data_sha256", nil), valid.changing("data_sha256", "0"),
                valid.changing("pair_count", nil), valid.changing("pair_count", "-2"),
                valid.changing("pair_count", "9223372036854775807"), valid.changing("text_count", nil),
                valid.changing("text_count", "4194305"),
                valid.changing("pair_count", "0").changing("text_count", "0"),
                valid.changing("pair_count", "2097152"),
            ]
        ),
        (
            .activationsShard,
            [nil, "", "1", "0/1", "2/1", "1/0", "1/4097", "1/1/1", "-1/2", "1/ 1", "a/b"].map {
                valid.changing("shard", $0)
            }
        ),
        (
            .activationsRows,
            ["row.number", "row.tokens", "row.text", "row.label"].map { valid.removing($0) } + [
                valid.changing("row.label") { $0.type = .u8 },
                valid.changing("row.label") {
                    $0.shape = [4]
                    $0.bytes.removeLast()
                },
                valid.changing("row.text") { $0.shape = [32, 5] },
                valid.changing("row.text") { $0.shape = [160] },
                valid.changing("pair_count", "1"),
                valid.changing("row.text") {
                    $0.shape = [0, 32]
                    $0.bytes = []
                },
            ]
        ),
        (
            .activationsLayers,
            [
                valid.removing("layer.1").removing("layer.3"),
                valid.changing("layer.3") { $0.name = "layer.4" },
                valid.changing("layer.3") { $0.name = "layer.-1" },
                valid.changing("layer.3") { $0.type = .i32 },
                valid.changing("layer.3") { $0.shape = [3, 5] },
                valid.changing("layer.3") { $0.shape = [15] }, valid.changing("width", "5"),
            ]
        ),
        (
            .activationsOtherTensor,
            ["layer.01", "layer.x", "layer.", "layers.1", "row.weight"].map {
                valid.adding(.init(name: $0, type: .u8, shape: [0], bytes: []))
            }
        ),
        (
            .activationsLabels,
            [
                valid.changing("row.label") { $0.bytes[0] = 2 },
                valid.changing("row.label") { $0.bytes[0] = 0x80 },
                valid.changing("row.number") { $0.bytes[0] = 2 },
                valid.changing("row.number") { $0.bytes[3] = 0x80 },
                valid.changing("row.number") { $0.bytes[16] = 1 },
            ]
        ),
        (
            .activationsSides,
            [
                valid.changing("row.label") { $0.bytes[0] = 0xFF },
                valid.changing("row.number") { $0.bytes[0] = 1 }, RawActivations(places: [0, 1, 2]),
                RawActivations(places: [3]),
            ]
        ),
        (
            .activationsTokens,
            [
                valid.changing("position", "last"), valid.changing("position", "after::"),
                valid.changing("row.tokens") { $0.bytes[3] = 0x80 },
            ]
        ),
        (
            .activationsFinite,
            [[0x00, 0x00, 0x80, 0x7F], [0x00, 0x00, 0x80, 0xFF], [0x01, 0x00, 0xC0, 0x7F]].map { bits in
                valid.changing("layer.3") { $0.bytes.replaceSubrange(56..<60, with: bits) }
            }
        ),
    ]

    /// Shards 1/2 and 2/2.
    static let first = RawActivations(shard: "1/2", places: [0, 1, 4])
    static let second = RawActivations(shard: "2/2", places: [2, 3])

    /// A rule and shards that do not make a whole.
    static let setCases: [(rule: FormatRule, shards: [RawActivations])] = [
        (.activationsSameModel, [first, second.changing("model", "other")]),
        (
            .activationsSameModel,
            [first, second.changing("source_sha256", SHA256.digest(of: "x".utf8).description)]
        ),
        (.activationsSameModel, [first, second.changing("layer_count", "5")]),
        (
            .activationsSameData,
            [first, second.changing("data_sha256", SHA256.digest(of: "x".utf8).description)]
        ),
        (.activationsSameData, [first, second.changing("text_count", "2")]),
        (.activationsSamePosition, [first, second.changing("position", "after:x").withSingleTokens]),
        (.activationsSameLayers, [first, second.removing("layer.3")]),
        (.activationsShards, []), (.activationsShards, [first]), (.activationsShards, [second]),
        (.activationsShards, [first, first]), (.activationsShards, [first, second, second]),
        (.activationsShards, [first, second.changing("shard", "2/3")]),
        (.activationsComplete, [first, RawActivations(shard: "2/2", places: [0, 1])]),
        (.activationsComplete, [RawActivations(shard: "1/2", places: [0, 1]), second]),
        (.activationsComplete, [first, second.changing("row.text") { $0.bytes[5] ^= 1 }]),
    ]

    @Test func everyRuleHasAFileThatBreaksIt() throws {
        _ = try ActivationSet([Self.valid.opened()])
        for (rule, files) in Self.cases {
            for (index, file) in files.enumerated() {
                let error = #expect(throws: FormatError.self) { try file.opened() }
                #expect(error?.rule == rule, "\(rule), file \(index): \(String(describing: error))")
            }
        }
        for (index, (rule, shards)) in Self.setCases.enumerated() {
            let files = try shards.map { try $0.opened() }
            let error = #expect(throws: FormatError.self) { try ActivationSet(files) }
            #expect(error?.rule == rule, "\(rule), set \(index): \(String(describing: error))")
        }
        #expect(Set((Self.cases.map(\.rule) + Self.setCases.map(\.rule))) == Set(FormatRule.activations))
    }

    @Test func anErrorSaysWhereTheNumberIsThatIsNoNumber() throws {
        let file = Self.valid.changing("layer.3") {
            $0.bytes.replaceSubrange(56..<60, with: [0x01, 0x00, 0xC0, 0x7F])
        }
        let error = try #require(throws: FormatError.self) { try file.opened() }
        #expect(error.found == "NaN in row 4 of layer 3" && error.expected == "finite numbers")
        let header = SafetensorsLayout(
            metadata: file.metadata, tensors: file.tensors.map { ($0.name, $0.type, $0.shape) }
        ).header
        #expect(error.byteOffset == header.count + 60 + 56)
    }

    @Test func everyPrefixOfAFileIsRefused() {
        let bytes = Self.valid.bytes
        for count in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: FormatError.self) {
                try ActivationFile(bytes: ByteView(copying: Array(bytes[..<count])))
            }
        }
    }
}

extension RawActivations {
    /// The same with states of one token each.
    fileprivate var withSingleTokens: RawActivations {
        changing("row.tokens") { tensor in
            for index in tensor.bytes.indices { tensor.bytes[index] = index % 4 == 0 ? 1 : 0 }
        }
    }
}
