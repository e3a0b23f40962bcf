// SPDX-License-Identifier: Apache-2.0
// Special tokens in text: longest first over the whole text, then from left to right.

import Testing
import TestSupport
import Tokenization

/// A byte-level vocabulary of single letters, with user-defined tokens after them.
private func tokenizer(userDefined: [String]) throws -> Tokenizer {
    let letters = ["a", "b", "c", "d", "x", "<", ">"]
    var vocabulary = Vocabulary(
        kind: .byteLevelBPE, texts: letters + userDefined,
        types: letters.map { _ in .normal } + userDefined.map { _ in .userDefined })
    vocabulary.preTokenizer = .gpt2
    return try TestTokenizers.open(vocabulary)
}

/// What llama.cpp does: for each token, the longest first, every place where it occurs in what is left.
private func partsByDefinition(_ text: [UInt8], _ special: [[UInt8]]) -> [[UInt8]] {
    var parts: [(bytes: [UInt8], isToken: Bool)] = [(text, false)]
    for token in special.sorted(by: { $0.count > $1.count }) {
        parts = parts.flatMap { part -> [(bytes: [UInt8], isToken: Bool)] in
            if part.isToken { return [part] }
            var pieces: [(bytes: [UInt8], isToken: Bool)] = []
            var start = 0
            var position = 0
            while position + token.count <= part.bytes.count {
                if part.bytes[position..<position + token.count].elementsEqual(token) {
                    pieces += [(Array(part.bytes[start..<position]), false), (token, true)]
                    position += token.count
                    start = position
                } else {
                    position += 1
                }
            }
            return pieces + [(Array(part.bytes[start...]), false)]
        }
    }
    return parts.flatMap { part in part.isToken ? [part.bytes] : part.bytes.map { [$0] } }
}

@Test func longerTokensWinOverEarlierOnes() throws {
    let tokenizer = try tokenizer(userDefined: ["abc", "bcdx", "ab"])
    let ids = tokenizer.encode("abcdxabcab", addSpecial: false, parseSpecial: false)
    #expect(ids.map { tokenizer.text(of: $0) } == ["a", "bcdx", "abc", "ab"])
}

@Test func overlappingTokensAreTakenInTheOrderOfTheirLength() throws {
    var generator = SeededGenerator(seed: 9)
    for round in 0..<300 {
        // One token of each length, because the order among equally long ones is free.
        let special = (2...6).map { count in
            String(
                (0..<count).map { _ in round % 2 == 0 ? "a" : "ab".randomElement(using: &generator) ?? "a" })
        }
        let tokenizer = try tokenizer(userDefined: special)
        let text = String((0..<60).map { _ in "aaab".randomElement(using: &generator) ?? "a" })
        let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
        let expected = partsByDefinition(Array(text.utf8), special.map { Array($0.utf8) })
        #expect(ids.map { tokenizer.bytes(of: $0) } == expected, "\(text) \(special)")
    }
}

@Test func bytesWithoutATokenLeaveNothing() throws {
    let tokenizer = try tokenizer(userDefined: [])
    #expect(tokenizer.encode("a?b", addSpecial: false, parseSpecial: false) == [0, 1])
}
