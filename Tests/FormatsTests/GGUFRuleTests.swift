// SPDX-License-Identifier: Apache-2.0
// One broken file for each rule of formats/gguf.md, and the error that it must give.

import Formats
import Testing

struct GGUFRuleTests {
    /// A rule and files that break it, each by one change to a valid file.
    static let cases: [(rule: FormatRule, files: [RawGGUF])] = [
        (.ggufMagic, [changed { $0.magic = "GGML" }]),
        (.ggufVersion, [1, 4, 0x0300_0000].map { version in changed { $0.version = version } }),
        (
            .ggufMetadataCount,
            [
                changed { $0.pairCount = .max }, changed { $0.pairCount = 65_537 },
                changed { $0.pairCount = 40 },
            ]
        ),
        (.ggufTensorCount, [changed { $0.tensorCount = .max }, changed { $0.tensorCount = 1000 }]),
        (
            .ggufKey,
            [
                pairs(RawGGUF.pair("", type: 4) { $0.u32(1) }),
                pairs([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 5, 6]),
                pairs([1, 0, 0, 0, 0, 0, 0, 0, 0xFF, 4, 0, 0, 0, 0, 0, 0, 0]),
                pairs(RawGGUF.pair(String(repeating: "k", count: 65_536), type: 4) { $0.u32(1) }),
            ]
        ),
        (
            .ggufDuplicateKey,
            [
                changed {
                    $0.pairCount = 2
                    $0.pairs += $0.pairs
                }
            ]
        ),
        (.ggufValueType, [13, 255, .max].map { type in pairs(RawGGUF.pair("k", type: type) { $0.u64(0) }) }),
        (
            .ggufNestedArray,
            [
                pairs(
                    RawGGUF.pair("k", type: 9) {
                        $0.u32(9)
                        $0.u64(0)
                    })
            ]
        ),
        (
            .ggufStringLength,
            [
                pairs(RawGGUF.pair("k", type: 8) { $0.u64(.max) }),
                pairs(RawGGUF.pair("k", type: 8) { $0.u64(1 << 20) }),
                pairs(
                    RawGGUF.pair("k", type: 9) {
                        $0.u32(8)
                        $0.u64(2)
                        $0.string("one")
                        $0.u64(1 << 63)
                    }),
            ]
        ),
        (
            .ggufArrayLength,
            [
                pairs(
                    RawGGUF.pair("k", type: 9) {
                        $0.u32(4)
                        $0.u64(1 << 62)
                    }),
                pairs(
                    RawGGUF.pair("k", type: 9) {
                        $0.u32(8)
                        $0.u64(1000)
                    }),
            ]
        ),
        (.ggufBool, [pairs(RawGGUF.pair("k", type: 7) { $0.u8(2) })]),
        (
            .ggufAlignment,
            [
                pairs(RawGGUF.pair("general.alignment", type: 4) { $0.u32(0) }),
                pairs(RawGGUF.pair("general.alignment", type: 4) { $0.u32(48) }),
                pairs(RawGGUF.pair("general.alignment", type: 4) { $0.u32(4) }),
                pairs(RawGGUF.pair("general.alignment", type: 4) { $0.u32(1 << 31) }),
                pairs(RawGGUF.pair("general.alignment", type: 10) { $0.u64(32) }),
                pairs(RawGGUF.pair("general.alignment", type: 8) { $0.string("32") }),
            ]
        ),
        (
            .ggufTensorName,
            [
                changed { $0.tensors[0].name = "" },
                changed { $0.tensors[0].name = String(repeating: "n", count: 65) },
            ]
        ),
        (.ggufDuplicateTensor, [changed { $0.tensors[1].name = "a" }]),
        (
            .ggufDimensionCount,
            [
                changed { $0.tensors[0].dimensions = [] },
                changed { $0.tensors[0].dimensions = [1, 1, 1, 1, 1] },
                changed { $0.tensors[0].dimensionCount = .max },
            ]
        ),
        (
            .ggufDimension,
            [
                changed { $0.tensors[0].dimensions = [4, 0] },
                changed { $0.tensors[0].dimensions = [.max, 1] },
                changed { $0.tensors[0].dimensions = [1 << 32, 1 << 32] },
                changed { $0.tensors[0].dimensions = [1 << 62, 4, 4] },
                changed { $0.tensors[0].dimensions = [1 << 24, 1 << 24, 2] },
            ]
        ),
        (.ggufTensorType, [4, 9, 24, 31, .max].map { type in changed { $0.tensors[0].type = type } }),
        (
            .ggufRowBlocks,
            [
                changed {
                    $0.tensors[0].type = 2
                    $0.tensors[0].dimensions = [16, 2]
                }
            ]
        ),
        (
            .ggufTensorAlignment,
            [changed { $0.tensors[0].offset = 1 }, changed { $0.tensors[1].offset = .max }]
        ),
        (
            .ggufTensorBounds,
            [
                changed { $0.tensors[1].offset = 64 }, changed { $0.tensors[1].offset = 1 << 63 },
                changed { $0.dataByteCount = 47 }, changed { $0.tensors[1].dimensions = [1 << 40] },
                // The sum of both tensors' sizes wraps around to something small.
                changed { $0.tensors[1].offset = .max - 31 },
            ]
        ),
        (.ggufTensorOverlap, [changed { $0.tensors[1].offset = 0 }]),
    ]

    static func changed(_ change: (inout RawGGUF) -> Void) -> RawGGUF {
        var file = RawGGUF()
        change(&file)
        return file
    }

    static func pairs(_ bytes: [UInt8]) -> RawGGUF { changed { $0.pairs = bytes } }

    @Test func everyRuleHasAFileThatBreaksIt() {
        for (rule, files) in Self.cases {
            for (index, file) in files.enumerated() {
                #expect(brokenRule(file.bytes) == rule, "\(rule), file \(index)")
            }
        }
        let covered = Set(Self.cases.map(\.rule)).union([.ggufTruncated])
        #expect(covered == Set(FormatRule.gguf))
    }

    @Test func everyPrefixOfAFileIsRefused() {
        let bytes = RawGGUF().bytes
        #expect(brokenRule(bytes) == nil)
        for count in 0..<bytes.count { #expect(brokenRule(Array(bytes[..<count])) != nil) }
        #expect(brokenRule(Array(bytes[..<10])) == .ggufTruncated)
    }

    @Test func anErrorNamesRulePlaceFoundAndExpected() throws {
        let file = Self.changed { $0.tensors[0].type = 24 }
        let error = try #require(throws: FormatError.self) {
            try GGUFFile(bytes: ByteView(copying: file.bytes))
        }
        #expect(
            error.description.hasPrefix(
                "gguf.md R18 (tensor type), byte 77: found I8 (24) in \"a\", expected"))
    }

    @Test func textFromTheFileCannotControlTheTerminal() {
        let error = FormatError(.ggufKey, found: "\u{1B}[2J\u{9B}x\n", expected: "a key")
        #expect(
            !error.description.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
        )
    }

    private func brokenRule(_ bytes: [UInt8]) -> FormatRule? {
        do {
            _ = try GGUFFile(bytes: ByteView(copying: bytes))
            return nil
        } catch {
            return error.rule
        }
    }
}
