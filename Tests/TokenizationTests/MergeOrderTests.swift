// SPDX-License-Identifier: Apache-2.0
// The merging of long pieces against the definition, written as plainly as possible.

import Testing
import TestSupport
import Tokenization

/// Byte pair encoding by its definition: again and again the best pair, the leftmost among equals.
///
/// - Parameter priority: smaller is better; nil for parts that do not join.
private func mergedByDefinition(_ parts: [[UInt8]], priority: ([UInt8], [UInt8]) -> Double?) -> [[UInt8]] {
    var parts = parts
    while true {
        var best: (priority: Double, index: Int)?
        for index in parts.indices.dropLast() {
            guard let value = priority(parts[index], parts[index + 1]) else { continue }
            if value < best?.priority ?? .infinity { best = (value, index) }
        }
        guard let best else { return parts }
        parts[best.index] += parts.remove(at: best.index + 1)
    }
}

/// Letters without spaces, so that the whole text is one piece.
private func randomWord(_ letters: [Character], count: Int, _ generator: inout SeededGenerator) -> String {
    String((0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
}

@Test(arguments: [2, 39, 40, 41, 42, 300])
func rankedMergesFollowTheDefinition(count: Int) throws {
    let vocabulary = try TestTokenizers.byteLevel(.gpt2)
    let tokenizer = try TestTokenizers.open(vocabulary)
    var ranks: [[[UInt8]]: Double] = [:]
    for (rank, merge) in vocabulary.merges.enumerated() {
        ranks[[tokenizer.bytes(of: merge.left), tokenizer.bytes(of: merge.right)]] = Double(rank)
    }
    var generator = SeededGenerator(seed: UInt64(count))
    for letters in ["the", "aeinrst", "он вте", "九時に出て"] {
        for _ in 0..<10 {
            let word = randomWord(letters.filter { $0 != " " }, count: count, &generator)
            let expected = mergedByDefinition(word.utf8.map { [$0] }) { ranks[[$0, $1]] }
            let ids = tokenizer.encode(word, addSpecial: false, parseSpecial: false)
            #expect(ids.map { tokenizer.bytes(of: $0) } == expected, "\(word)")
        }
    }
}

@Test(arguments: [2, 40, 41, 300])
func scoredMergesFollowTheDefinition(count: Int) throws {
    var vocabulary = try TestTokenizers.sentencePiece(spacePrefix: false)
    // Equal scores, some of them positive: the leftmost pair must win.
    for id in vocabulary.scores.indices { vocabulary.scores[id] = Float(Int(vocabulary.scores[id]) % 5) + 2 }
    let tokenizer = try TestTokenizers.open(vocabulary)
    var scores: [[UInt8]: Double] = [:]
    for id in vocabulary.texts.indices where vocabulary.types[id] == .normal {
        scores[tokenizer.bytes(of: Int32(id))] = -Double(vocabulary.scores[id])
    }
    var generator = SeededGenerator(seed: UInt64(count))
    for letters in ["the ", "aeinrst ", "он вте"] {
        for _ in 0..<10 {
            let word = randomWord(Array(letters), count: count, &generator)
            let expected = mergedByDefinition(word.map { Array(String($0).utf8) }) { scores[$0 + $1] }
            let ids = tokenizer.encode(word, addSpecial: false, parseSpecial: false)
            #expect(ids.map { tokenizer.bytes(of: $0) } == expected, "\(word)")
        }
    }
}

/// A quadratic algorithm would take hours here.
@Test(arguments: ["a", " ", "\n", "7", "<", "-", "渡", "é"])
func runsOfAMillionAreFast(character: String) throws {
    let text = String(repeating: character, count: 1_000_000)
    for vocabulary in [
        try TestTokenizers.byteLevel(.llama3), try TestTokenizers.sentencePiece(spacePrefix: false),
    ] {
        let tokenizer = try TestTokenizers.open(vocabulary)
        let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: true)
        #expect(tokenizer.decode(ids, skipSpecial: false).count == text.utf8.count)
    }
}
