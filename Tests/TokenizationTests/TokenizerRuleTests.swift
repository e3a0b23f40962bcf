// SPDX-License-Identifier: Apache-2.0
// Every rule of formats/tokenizer.md §4 has sections that break it, and only it.

import Testing
import Tokenization

private struct Breakage: CustomTestStringConvertible, Sendable {
    let rule: TokenizerError.Rule
    let what: String
    var kind = TokenizerKind.byteLevelBPE
    let apply: @Sendable (inout SectionMap) -> Void

    var testDescription: String { "\(rule.rawValue): \(what)" }
}

private let breakages: [Breakage] = [
    Breakage(rule: .header, what: "wrong magic") { $0.bytes[0] ^= 1 },
    Breakage(rule: .header, what: "shorter than a header") { $0.bytes.removeSubrange(95...) },
    Breakage(rule: .header, what: "empty") { $0.bytes = [] },
    Breakage(rule: .version, what: "version 3") { $0.bytes[SectionMap.version] = 3 },
    Breakage(rule: .kind, what: "kind 3") { $0.bytes[SectionMap.kind] = 3 },
    Breakage(rule: .kind, what: "pre-tokenizer 200") { $0.bytes[SectionMap.preTokenizer] = 200 },
    Breakage(rule: .kind, what: "byte-level without a pre-tokenizer") {
        $0.bytes[SectionMap.preTokenizer] = 0
    },
    Breakage(rule: .kind, what: "scores with rules", kind: .sentencePieceBPE) {
        $0.bytes[SectionMap.version] = 2
    },
    Breakage(rule: .kind, what: "characters without rules", kind: .characterBPE) {
        $0.bytes[SectionMap.version] = 1
    },
    Breakage(rule: .kind, what: "a pre-tokenizer beside rules", kind: .characterBPE) {
        $0.bytes[SectionMap.preTokenizer] = 1
    },
    Breakage(rule: .flags, what: "an unknown token without rules") { $0.bytes[SectionMap.flags] |= 16 },
    Breakage(rule: .flags, what: "unknown flag") { $0.bytes[SectionMap.flags + 1] = 0x80 },
    Breakage(rule: .flags, what: "byte-level with a space prefix") { $0.bytes[SectionMap.flags] |= 4 },
    Breakage(rule: .limits, what: "no tokens") { $0.set(SectionMap.tokenCount, 0) },
    Breakage(rule: .limits, what: "2^20 tokens") { $0.set(SectionMap.tokenCount, 1 << 20) },
    Breakage(rule: .limits, what: "2^32 - 1 merges") { $0.set(SectionMap.mergeCount, 0xFFFF_FFFF) },
    Breakage(rule: .limits, what: "half as many merge slots") {
        $0.set(SectionMap.mergeSlotCount, $0.word(SectionMap.mergeSlotCount) / 2)
    },
    Breakage(rule: .limits, what: "a text table that nobody reads") { $0.set(SectionMap.textSlotCount, 4) },
    Breakage(rule: .limits, what: "2^24 bytes of text") { $0.set(SectionMap.textByteCount, 1 << 24) },
    Breakage(rule: .limits, what: "1025 end tokens") { $0.set(SectionMap.endOfGenerationCount, 1025) },
    Breakage(rule: .limits, what: "more text slots than all tokens need", kind: .sentencePieceBPE) {
        $0.set(SectionMap.textSlotCount, $0.word(SectionMap.tokenCount) * 4 / 3 + 2)
    },
    Breakage(rule: .size, what: "one byte more") { $0.bytes.append(0) },
    Breakage(rule: .size, what: "one byte less") { $0.bytes.removeLast() },
    Breakage(rule: .size, what: "reserved bytes") { $0.bytes[SectionMap.reserved] = 1 },
    Breakage(rule: .size, what: "padding") { $0.bytes[$0.arrays.firstBytes + 1028] = 1 },
    Breakage(rule: .specialIds, what: "begin of sequence outside") {
        $0.set(SectionMap.beginOfSequence, $0.word(SectionMap.tokenCount))
    },
    Breakage(rule: .specialIds, what: "padding -2") { $0.set(SectionMap.beginOfSequence + 12, -2) },
    Breakage(rule: .specialIds, what: "no begin of sequence to add", kind: .sentencePieceBPE) {
        $0.set(SectionMap.beginOfSequence, -1)
    },
    Breakage(rule: .limits, what: "2^24 bytes of rules", kind: .characterBPE) {
        $0.set(SectionMap.reserved, 1 << 24)
    },
    Breakage(rule: .size, what: "reserved bytes beside rules", kind: .characterBPE) {
        $0.bytes[SectionMap.reserved + 4] = 1
    },
    Breakage(rule: .specialIds, what: "no unknown token to use", kind: .characterBPE) {
        $0.set(SectionMap.beginOfSequence + 8, -1)
    },
    Breakage(rule: .texts, what: "first offset") { $0.setThree($0.arrays.textOffsets, 1) },
    Breakage(rule: .texts, what: "descending offsets") { $0.setThree($0.arrays.textOffsets + 6, 0xFF_FFFF) },
    Breakage(rule: .texts, what: "last offset") {
        $0.setThree(
            $0.arrays.textOffsets + 3 * $0.word(SectionMap.tokenCount), $0.word(SectionMap.textByteCount) - 1)
    },
    Breakage(rule: .texts, what: "longest text") { $0.bytes[SectionMap.longestToken] += 1 },
    Breakage(rule: .types, what: "type 0") { $0.bytes[$0.arrays.types + 5] = 0 },
    Breakage(rule: .types, what: "type 7") { $0.bytes[$0.arrays.types + 5] = 7 },
    Breakage(rule: .scores, what: "not a number", kind: .sentencePieceBPE) {
        $0.set($0.arrays.scores, 0x7FC0_0000)
    },
    Breakage(rule: .scores, what: "infinite", kind: .sentencePieceBPE) {
        $0.set($0.arrays.scores + 8, 0xFF80_0000)
    },
    Breakage(rule: .byteTokens, what: "outside") { $0.set($0.arrays.byteTokens, 1 << 20) },
    Breakage(rule: .byteTokens, what: "another byte's token") {
        $0.set($0.arrays.byteTokens, $0.word($0.arrays.byteTokens + 4))
    },
    Breakage(rule: .endOfGeneration, what: "outside") { $0.set($0.arrays.endOfGeneration, -1) },
    Breakage(rule: .endOfGeneration, what: "twice") {
        $0.set($0.arrays.endOfGeneration, $0.word($0.arrays.endOfGeneration + 4))
    },
    Breakage(rule: .specialTokens, what: "outside") { $0.set($0.arrays.specialTokens, 0xFFFFF) },
    Breakage(rule: .specialTokens, what: "a normal token") { $0.set($0.arrays.specialTokens, 3) },
    Breakage(rule: .specialTokens, what: "out of order") {
        $0.set($0.arrays.specialTokens, $0.word($0.arrays.specialTokens + 4))
    },
    Breakage(rule: .specialTokens, what: "first byte") { $0.set($0.arrays.firstBytes + 4 * 100, 0) },
    Breakage(rule: .textTable, what: "outside", kind: .sentencePieceBPE) {
        $0.set($0.occupiedSlot(from: $0.arrays.textSlots), 0x0F_FFFE)
    },
    Breakage(rule: .textTable, what: "full", kind: .sentencePieceBPE) {
        for slot in stride(from: $0.arrays.textSlots, to: $0.arrays.textOffsets, by: 4) { $0.set(slot, 0) }
    },
    Breakage(rule: .merges, what: "left outside") { $0.set($0.arrays.merges, 0x0F_FFFF) },
    Breakage(rule: .merges, what: "merged outside") { $0.set($0.arrays.merges + 4, 0x7FFF_FFFF) },
    Breakage(rule: .mergeTable, what: "outside") {
        $0.set($0.occupiedSlot(from: $0.arrays.mergeSlots), $0.word(SectionMap.mergeCount))
    },
    Breakage(rule: .mergeTable, what: "one missing") {
        $0.set($0.occupiedSlot(from: $0.arrays.mergeSlots), 0xFFFF_FFFF)
    },
    Breakage(rule: .rules, what: "an unknown record", kind: .characterBPE) { $0.bytes[$0.arrays.rules] = 10 },
    Breakage(rule: .rules, what: "records out of order", kind: .characterBPE) {
        $0.bytes[$0.arrays.rules] = 67
    },
    Breakage(rule: .rules, what: "an unknown option", kind: .characterBPE) {
        $0.bytes[$0.arrays.rules + 1] = 1
    },
    Breakage(rule: .rules, what: "a text cut off", kind: .characterBPE) {
        $0.bytes[$0.arrays.rules + 3] = 0xFF
    },
    Breakage(rule: .rules, what: "not UTF-8", kind: .characterBPE) { $0.bytes[$0.arrays.rules + 6] = 0xFF },
    Breakage(rule: .rules, what: "an added token outside", kind: .characterBPE) {
        // The last record is that of a token: four bytes, and the text that is looked for.
        let end = $0.arrays.rules + $0.word(SectionMap.reserved)
        $0.set(end - 3 - 4, $0.word(SectionMap.tokenCount))
    },
]

@Test(arguments: breakages)
private func aBrokenRuleIsNamed(breakage: Breakage) throws {
    var section = try SectionMap(
        TokenizerBuilder(
            vocabulary: TestTokenizers.vocabulary(breakage.kind)
        ).build())
    #expect(section.arrays.end == section.bytes.count)
    breakage.apply(&section)
    let error = #expect(throws: TokenizerError.self) { try TestTokenizers.open(section.bytes) }
    #expect(error?.rule == breakage.rule, "\(error?.description ?? "accepted")")
}

@Test func vocabulariesThatCannotWorkAreRefused() throws {
    var vocabulary = try TestTokenizers.byteLevel(.gpt2)
    vocabulary.types.removeLast()
    #expect(throws: TokenizerError.self) { try TokenizerBuilder(vocabulary: vocabulary).build() }

    vocabulary = try TestTokenizers.byteLevel(.gpt2)
    vocabulary.merges.append(Merge(left: 1, right: 2))
    #expect(throws: TokenizerError.self) { try TokenizerBuilder(vocabulary: vocabulary).build() }
    vocabulary.merges[vocabulary.merges.count - 1] = Merge(left: -1, right: 1 << 21)
    #expect(throws: TokenizerError.self) { try TokenizerBuilder(vocabulary: vocabulary).build() }
    #expect(throws: TokenizerError.self) { try vocabulary.resolveMerges(["a"]) }
    #expect(throws: TokenizerError.self) { try vocabulary.resolveMerges(["a nothing-like-that"]) }

    vocabulary = try TestTokenizers.sentencePiece(spacePrefix: false)
    vocabulary.scores[7] = .infinity
    #expect(throws: TokenizerError.self) { try TokenizerBuilder(vocabulary: vocabulary).build() }
    vocabulary.scores = []
    #expect(throws: TokenizerError.self) { try TokenizerBuilder(vocabulary: vocabulary).build() }
}

@Test func theSameVocabularyGivesTheSameBytes() throws {
    let vocabulary = try TestTokenizers.sentencePiece(spacePrefix: true)
    #expect(
        try TokenizerBuilder(vocabulary: vocabulary).build()
            == TokenizerBuilder(vocabulary: vocabulary).build())
}

@Test func everyRuleIsReadAsItWasWritten() throws {
    var vocabulary = try TestTokenizers.vocabulary(.characterBPE)
    var rules = TokenizerRules()
    rules.normalizers = [
        .nfc, .nfd, .nfkc, .nfkd, .lowercase, .stripAccents, .strip(left: true, right: false),
        .replace("a", by: ""), .prepend("▁"),
    ]
    rules.preTokenizers = SplitRule.allCases.map { .split($0, SplitBehavior(.contiguous, isInverted: true)) }
    rules.preTokenizers += [
        .splitText("ab", .isolated), .metaspace(mark: "▁", scheme: .first, splits: true), .prefixSpace,
    ]
    rules.decoder.mark = "▁"
    rules.decoder.strippedSpaceCount = 2
    rules.decoder.dropsFirstMarks = true
    rules.decoder.writesBytes = true
    rules.added = [
        AddedTokenRule(token: 1, flags: [.stripsLeft, .isWord]),
        AddedTokenRule(token: 2, flags: .stripsRight, normalizedText: "x"),
    ]
    vocabulary.rules = rules
    let tokenizer = try TestTokenizers.open(vocabulary)
    #expect(tokenizer.statedRules == rules)
}
