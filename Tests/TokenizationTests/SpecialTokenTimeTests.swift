// SPDX-License-Identifier: Apache-2.0
// Long texts against long tokens: what is found is right, and time grows with the text alone.

import Testing
import TestSupport
import Tokenization

/// A byte-level tokenizer of two letters and special tokens.
private func tokenizer(special: [String], type: TokenType = .userDefined, rules: TokenizerRules?) throws
    -> Tokenizer
{
    var vocabulary = Vocabulary(
        kind: .byteLevelBPE, texts: ["a", "b"] + special,
        types: [.normal, .normal] + special.map { _ in type })
    vocabulary.rules = rules
    if rules == nil { vocabulary.preTokenizer = .gpt2 }
    vocabulary.addedOnly = Set((0..<special.count).map { Int32($0 + 2) })
    return try TestTokenizers.open(vocabulary)
}

/// From the left, the longest token at each place, by trying all of them.
private func leftmostLongest(_ text: [UInt8], _ special: [[UInt8]]) -> [[UInt8]] {
    var parts: [[UInt8]] = []
    var position = 0
    while position < text.count {
        let found = special.filter { text[position...].starts(with: $0) }.max { $0.count < $1.count }
        let part = found ?? [text[position]]
        parts.append(part)
        position += part.count
    }
    return parts
}

@Test func withRulesTheLeftmostTokenWins() throws {
    let tokenizer = try tokenizer(special: ["ab", "bba"], rules: TokenizerRules())
    let ids = tokenizer.encode("abba", addSpecial: false, parseSpecial: false)
    #expect(ids.map { tokenizer.text(of: $0) } == ["ab", "b", "a"])
}

/// Texts that agree with long tokens for long, so that the automaton takes over.
@Test(arguments: [1, 2, 3] as [UInt64])
func theAutomatonFindsWhatTheListFinds(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<20 {
        let special = Set(
            (0..<6).map { _ in
                String(repeating: "a", count: Int.random(in: 1...300, using: &generator))
                    + (Bool.random(using: &generator) ? "b" : "")
            }
        ).sorted()
        let tokenizer = try tokenizer(special: special, rules: TokenizerRules())
        let text = (0..<6).map { _ in
            String(repeating: "a", count: Int.random(in: 0...600, using: &generator)) + "b"
        }.joined()
        let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
        let expected = leftmostLongest(Array(text.utf8), special.map { Array($0.utf8) })
        #expect(ids.map { tokenizer.bytes(of: $0) } == expected, "\(special) \(text)")
    }
}

/// The search from each place anew would make ten thousand million steps.
@Test(arguments: [false, true])
func timeGrowsWithTheTextAlone(hasRules: Bool) throws {
    let long = String(repeating: "a", count: 60_000) + "b"
    let tokenizer = try tokenizer(
        special: [long, "aa"], type: .control, rules: hasRules ? TokenizerRules() : nil)
    let text = String(repeating: "a", count: 400_001)
    let clock = ContinuousClock()
    var ids: [Int32] = []
    let time = clock.measure { ids = tokenizer.encode(text, addSpecial: false, parseSpecial: true) }
    #expect(ids.count == 200_001 && ids.last == 0)
    #expect(time < .seconds(5))
}

@Test func anEncodingThatIsCancelledEnds() throws {
    let tokenizer = try tokenizer(special: ["<b>"], rules: nil)
    var callCount = 0
    let text = String(repeating: "a b<b>", count: 1000)
    let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: true) {
        callCount += 1
        return callCount > 10
    }
    #expect(!ids.isEmpty && ids.count < 100)
    #expect(tokenizer.encode(text, addSpecial: false, parseSpecial: true).starts(with: ids))
}

/// The first token takes the white space that the second one is.
@Test func whiteSpaceIsTakenOnce() throws {
    var rules = TokenizerRules()
    rules.added = [
        AddedTokenRule(token: 2, flags: .stripsRight), AddedTokenRule(token: 3, flags: .stripsLeft),
    ]
    let tokenizer = try tokenizer(special: ["<b>", "  "], rules: rules)
    #expect(tokenizer.encode("a<b>  a  ", addSpecial: false, parseSpecial: false) == [0, 2, 0, 3])
}
