// SPDX-License-Identifier: Apache-2.0
// Vocabularies whose texts were chosen to meet in the hash table: every search would walk through all of them.

import Testing
import Tokenization

/// Texts of eight ASCII letters and signs that begin their search at one slot, whose number is a fraction of 2³².
///
/// The hash of eight bytes is ((seed ^ word) · factor), with its upper half mixed into the lower one (formats/tokenizer.md
/// §3.2): both steps can be undone.
private func collidingTexts(count: Int, lowerHalf: UInt64) -> [String] {
    let factor: UInt64 = 0xD6E8_FEB8_6659_FD93
    // Newton's iteration doubles the bits that are right; an odd number is its own inverse modulo 8.
    var inverse = factor
    for _ in 0..<5 { inverse = inverse &* (2 &- factor &* inverse) }
    let seed = 8 &* 0x9E37_79B9_7F4A_7C15 as UInt64
    var texts: [String] = []
    var upperHalf: UInt64 = 1
    while texts.count < count {
        let mixed = upperHalf << 32 | lowerHalf
        let word = ((mixed ^ mixed >> 32) &* inverse) ^ seed
        upperHalf += 1
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        if bytes.allSatisfy({ (0x21..<0x7F).contains($0) }) {
            texts.append(String(decoding: bytes, as: UTF8.self))
        }
    }
    return texts
}

private func vocabulary(_ texts: [String]) -> Vocabulary {
    var vocabulary = Vocabulary(
        kind: .sentencePieceBPE, texts: ["<unk>"] + texts,
        types: [.unknown] + [TokenType](repeating: .normal, count: texts.count))
    vocabulary.scores = [Float](repeating: 0, count: texts.count + 1)
    vocabulary.unknown = 0
    return vocabulary
}

@Test func textsThatCollideAreRefused() throws {
    let texts = collidingTexts(count: 1025, lowerHalf: 1 << 30)
    let tokenizer = try TestTokenizers.open(vocabulary(Array(texts.dropLast())))
    #expect(tokenizer.encode(texts[500], addSpecial: false, parseSpecial: false).isEmpty == false)
    let error = #expect(throws: TokenizerError.self) {
        try TokenizerBuilder(vocabulary: vocabulary(texts)).build()
    }
    #expect(error?.rule == .textTable && error?.found == "1025 occupied slots in a row")
}

/// Two groups of which none is too large, one after the other: a search of the first walks through both.
@Test func neighbouringGroupsAreRefusedToo() throws {
    let slotCount = UInt64((1200 * 4 + 2) / 3)
    let first = collidingTexts(count: 600, lowerHalf: 0)
    let second = collidingTexts(count: 600, lowerHalf: ((300 << 32) / slotCount) + 1)
    let error = #expect(throws: TokenizerError.self) {
        try TokenizerBuilder(vocabulary: vocabulary(first + second)).build()
    }
    #expect(error?.rule == .textTable && error?.found == "1025 occupied slots in a row")
}
