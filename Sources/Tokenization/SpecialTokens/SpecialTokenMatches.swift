// SPDX-License-Identifier: Apache-2.0
// Finds the longest special token at each position of a text. A search in the sorted list costs a step per matching byte, which
// is negligible for real text. When the cost adds up, an automaton takes over, so time stays linear in the text and the list in
// every case.

/// A special token at a position of a text.
struct SpecialMatch: Equatable {
    var byteCount: Int
    var token: Int32
}

/// Finds special tokens in one text.
struct SpecialTokenMatches<Patterns: SpecialPatterns> {
    private let patterns: Patterns
    /// Whether a token may be matched.
    private let isWanted: (Int32) -> Bool
    /// Remaining steps before the automaton is built.
    private var budget: Int
    private var countsList = true
    private var automaton: SpecialTokenAutomaton?

    init(_ patterns: Patterns, textByteCount: Int, isWanted: @escaping (Int32) -> Bool) {
        self.patterns = patterns
        self.isWanted = isWanted
        budget = 8 * textByteCount + 4096
    }

    /// Whether some special token begins with a byte.
    @inline(__always)
    func begins(_ byte: UInt8) -> Bool {
        patterns.firstIndex(ofByte: Int(byte)) < patterns.firstIndex(ofByte: Int(byte) + 1)
    }

    /// The longest special token that starts at a position and ends at `limit` or before.
    mutating func longest(in text: Span<UInt8>, at start: Int, limit: Int) -> SpecialMatch? {
        if let automaton { return automaton.longest(at: start, limit: limit) }
        let match = search(in: text, at: start, limit: limit)
        if budget < 0 { reconsider(text) }
        return match
    }

    /// Builds the automaton once the searches have cost as many steps as building it.
    private mutating func reconsider(_ text: Span<UInt8>) {
        if countsList {
            budget += (0..<patterns.count).reduce(0) { $0 + patterns.byteCount($1) }
            countsList = false
        } else {
            automaton = SpecialTokenAutomaton(patterns, isWanted: isWanted, over: text)
        }
    }

    /// The list is sorted by text, so tokens with a common prefix are contiguous and the shortest comes first: each further byte
    /// of the text narrows the range.
    private mutating func search(in text: Span<UInt8>, at start: Int, limit: Int) -> SpecialMatch? {
        var low = patterns.firstIndex(ofByte: Int(text[start]))
        var high = patterns.firstIndex(ofByte: Int(text[start]) + 1)
        var depth = 1
        var found: SpecialMatch?
        while low < high {
            if patterns.byteCount(low) == depth {
                let token = patterns.token(low)
                if isWanted(token) { found = SpecialMatch(byteCount: depth, token: token) }
                low += 1
            }
            guard start + depth < limit else { break }
            let byte = UInt16(text[start + depth])
            low = lowerBound(in: low..<high, depth: depth, byte: byte)
            high = lowerBound(in: low..<high, depth: depth, byte: byte + 1)
            depth += 1
        }
        budget -= depth
        return found
    }

    /// In a range of longer texts with a common prefix, the first entry whose next byte is at least `byte`.
    private func lowerBound(in range: Range<Int>, depth: Int, byte: UInt16) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if UInt16(patterns.byte(middle, at: depth)) < byte { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
