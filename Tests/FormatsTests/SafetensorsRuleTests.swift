// SPDX-License-Identifier: Apache-2.0
// One broken file for each rule of formats/safetensors.md, and the error that it must give.

import Formats
import Testing

struct SafetensorsRuleTests {
    /// A rule and files that break it, each by one change to a valid file.
    static let cases: [(rule: FormatRule, files: [[UInt8]])] = [
        (.safetensorsHeaderLength, [[], [1], [UInt8](repeating: 0, count: 7)]),
        (
            .safetensorsHeaderLimit,
            [.max, 1 << 63, 100_000_001].map { RawSafetensors(headerByteCount: $0).bytes }
        ),
        (.safetensorsHeaderBounds, [500, 100_000_000].map { RawSafetensors(headerByteCount: $0).bytes }),
        (
            .safetensorsHeaderStart,
            ["", "[]", " " + RawSafetensors.header, "\u{FEFF}" + RawSafetensors.header, "null"].map {
                RawSafetensors(header: $0).bytes
            }
        ),
        (
            .safetensorsHeaderText,
            ["{", "{]}", "{}\n", "{} {}", "{}x}", "{\"a\":{}", deep, manyValues].map {
                RawSafetensors(header: $0).bytes
            }
                + [RawSafetensors().bytes(header: [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D])]
        ),
        (
            .safetensorsDuplicateKey,
            [
                RawSafetensors.replacing("\"b\":", "\"a\":").bytes,
                RawSafetensors.replacing("\"shape\":[4]", "\"shape\":[4],\"shape\":[4]").bytes,
            ]
        ),
        (
            .safetensorsMetadata,
            ["[]", "\"pt\"", "null", "{\"a\":1}", "{\"a\":null}", "{\"a\":{}}"].map {
                RawSafetensors.replacing("{\"format\":\"pt\"}", $0).bytes
            }
        ),
        (.safetensorsTensorCount, [manyTensors]),
        (
            .safetensorsTensorFields,
            [
                ("{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[16,24]}", "[]"),
                ("\"dtype\":\"BF16\",", ""), ("\"BF16\"", "16"), ("\"shape\":[4],", ""), ("[4]", "4"),
                ("[4]", "[4.0]"), ("[4]", "[\"4\"]"), ("[4]", "[18446744073709551616]"),
                (",\"data_offsets\":[16,24]", ""), ("[16,24]", "[16]"), ("[16,24]", "[16,24,24]"),
                ("[16,24]", "[16,24.5]"), ("[16,24]", "{}"),
            ].map { RawSafetensors.replacing($0, $1).bytes }
        ),
        (
            .safetensorsTensorType,
            ["Q4_K", "bf16", "F128", ""].map {
                RawSafetensors.replacing("\"BF16\"", "\"\($0)\"").bytes
            }
        ),
        (
            .safetensorsShape,
            [
                "[-4]", "[4,-1,-1]", "[1,1,1,1,1,1,1,1,4]", "[4294967296,4294967296,4]",
                "[9223372036854775807,2]", "[281474976710657]",
            ].map { RawSafetensors.replacing("[4]", $0).bytes }
        ),
        (
            .safetensorsDataOffsets,
            ["[24,16]", "[-1,7]", "[-8,-16]"].map { RawSafetensors.replacing("[16,24]", $0).bytes }
        ),
        (
            .safetensorsTensorSize,
            [
                RawSafetensors.replacing("[4]", "[3]").bytes, RawSafetensors.replacing("[4]", "[]").bytes,
                RawSafetensors.replacing("[4]", "[4,0]").bytes,
                RawSafetensors.replacing("[16,24]", "[16,9223372036854775807]").bytes,
                // 15 numbers of 4 bits are no whole bytes.
                RawSafetensors.replacing("\"BF16\",\"shape\":[4]", "\"F4\",\"shape\":[15]").bytes,
            ]
        ),
        (
            .safetensorsTensorOverlap,
            [
                RawSafetensors.replacing("[16,24]", "[15,23]").bytes,
                RawSafetensors.replacing("[16,24]", "[0,8]").bytes,
            ]
        ),
        (
            .safetensorsHole,
            [
                RawSafetensors.replacing("[16,24]", "[17,25]", dataByteCount: 25).bytes,
                RawSafetensors.replacing("[0,16]", "[24,40]", dataByteCount: 40).bytes,
                RawSafetensors.replacing("[16,24]", "[9223372036854775799,9223372036854775807]").bytes,
            ]
        ),
        (
            .safetensorsDataEnd,
            [0, 23, 25].map { RawSafetensors(dataByteCount: $0).bytes } + [
                RawSafetensors(header: "{}", dataByteCount: 1).bytes
            ]
        ),
    ]

    static let deep =
        "{\"__metadata__\":" + String(repeating: "[", count: 9) + String(repeating: "]", count: 9) + "}"

    /// One value more than the limit: the two objects or arrays around them count too.
    static let manyValues =
        "{\"weight_map\":[" + String(repeating: "0,", count: SafetensorsFile.maximumValueCount - 2) + "0]}"

    static var manyTensors: [UInt8] {
        let members = (0...65_537).map { "\"\($0)\":0" }
        return RawSafetensors(header: "{\(members.joined(separator: ","))}").bytes
    }

    /// Rules of the index file.
    static let indexCases: [(rule: FormatRule, text: String)] = [
        (.safetensorsIndexText, ""), (.safetensorsIndexText, "{"),
        (.safetensorsIndexText, "{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}"),
        (.safetensorsIndexText, manyValues),
        (.safetensorsWeightMap, "{}"), (.safetensorsWeightMap, "[]"),
        (.safetensorsWeightMap, "{\"weight_map\":[]}"), (.safetensorsWeightMap, "{\"weight_map\":{}}"),
        (.safetensorsWeightMap, "{\"weight_map\":{\"a\":1}}"),
        (.safetensorsShardName, "{\"weight_map\":{\"a\":\"\"}}"),
        (.safetensorsShardName, "{\"weight_map\":{\"a\":\"..\"}}"),
        (.safetensorsShardName, "{\"weight_map\":{\"a\":\"../x.safetensors\"}}"),
        (.safetensorsShardName, "{\"weight_map\":{\"a\":\"x\\u0000\"}}"),
    ]

    @Test func everyRuleHasAFileThatBreaksIt() {
        #expect(brokenRule(RawSafetensors().bytes) == nil)
        for (rule, files) in Self.cases {
            for (index, file) in files.enumerated() {
                #expect(brokenRule(file) == rule, "\(rule), file \(index)")
            }
        }
        let covered = Set(Self.cases.map(\.rule)).union(Self.indexCases.map(\.rule))
        #expect(covered.union([.safetensorsIndexAndShards]) == Set(FormatRule.safetensors))
    }

    @Test func everyRuleOfAnIndexHasATextThatBreaksIt() {
        for (rule, text) in Self.indexCases {
            let error = #expect(throws: FormatError.self) {
                try SafetensorsIndex(bytes: ByteView(copying: Array(text.utf8)))
            }
            #expect(error?.rule == rule, "\(text.prefix(80))")
        }
    }

    @Test func everyPrefixOfAFileIsRefused() {
        let bytes = RawSafetensors().bytes
        for count in 0..<bytes.count { #expect(brokenRule(Array(bytes[..<count])) != nil) }
    }

    @Test func anErrorNamesRulePlaceFoundAndExpected() throws {
        let error = try #require(throws: FormatError.self) {
            try SafetensorsFile(bytes: ByteView(copying: RawSafetensors(headerByteCount: 500).bytes))
        }
        #expect(
            error.description.hasPrefix(
                "safetensors.md R3 (header inside the file), byte 0: found a header of 500 bytes, expected"))
        let json = try #require(throws: FormatError.self) {
            try SafetensorsFile(
                bytes: ByteView(copying: RawSafetensors.replacing("\"b\":", "\"a\":").bytes))
        }
        #expect(json.byteOffset == 96 && json.found.contains("\"a\" again"), "\(json)")
    }

    private func brokenRule(_ bytes: [UInt8]) -> FormatRule? {
        do {
            _ = try SafetensorsFile(bytes: ByteView(copying: bytes))
            return nil
        } catch {
            return error.rule
        }
    }
}
