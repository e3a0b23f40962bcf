// SPDX-License-Identifier: Apache-2.0
// Texts that cannot fit a context: how many tokens they have at least, and where encoding may stop.

import Testing
import Tokenization

@Test(arguments: [TokenizerKind.byteLevelBPE, .sentencePieceBPE, .characterBPE])
func encodingStopsSoonAfterTheCountThatIsWanted(kind: TokenizerKind) throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.vocabulary(kind))
    let text = String(repeating: "ab cd. ", count: 2000)
    let all = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
    try #require(all.count > 2000)
    for limit in [0, 1, 100, all.count] {
        let some = tokenizer.encode(text, addSpecial: false, parseSpecial: false, maximumCount: limit)
        #expect(some == Array(all.prefix(some.count)))
        // A piece more than is wanted, or all there is.
        #expect(some.count > limit && some.count <= limit + 8 || some == all)
    }
}

@Test(arguments: [TokenizerKind.byteLevelBPE, .sentencePieceBPE])
func aTextHasAtLeastAsManyTokensAsItsLengthSays(kind: TokenizerKind) throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.vocabulary(kind))
    let longest = try #require(
        (0..<Int32(tokenizer.vocabularySize)).map { tokenizer.bytes(of: $0).count }.max())
    for text in ["", "a", "the cat", String(repeating: "▁", count: 300), String(repeating: " ", count: 300)] {
        let count = tokenizer.encode(text, addSpecial: false, parseSpecial: true).count
        #expect(tokenizer.leastTokenCount(of: text) <= count)
    }
    let text = String(repeating: "x", count: 30 * longest)
    #expect(tokenizer.leastTokenCount(of: text) == (kind == .byteLevelBPE ? 30 : 10))
}

/// Rules may take characters away, or make one unknown token of many.
@Test func whereTokensStandForAnyNumberOfBytesNothingIsKnown() throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.vocabulary(.characterBPE))
    #expect(tokenizer.leastTokenCount(of: String(repeating: "x", count: 1 << 20)) == 0)
}
