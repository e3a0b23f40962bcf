// SPDX-License-Identifier: Apache-2.0
// Finds control and user-defined tokens in text before it is split. Sections of version 1 match the longest tokens of the whole
// text first, as llama.cpp does; those of version 2 go from left to right and match the longest token at each position, as the
// library `tokenizers` does.

/// A part of a text: plain, or one special token.
struct TextFragment: Equatable {
    var range: Range<Int>
    /// −1 for plain text.
    var token: Int32
}

struct SpecialTokenScanner<Patterns: SpecialPatterns> {
    let tables: TokenizerTables
    let patterns: Patterns
    /// Flags of tokens with special rules; nil in a section of version 1.
    let flags: [Int32: AddedTokenRule.Flags]?
    /// Whether control and unknown tokens are recognized too, besides user-defined ones.
    var parsesSpecial: Bool

    /// Splits a text into special tokens and the text between them. No plain fragment is empty.
    func fragments(of text: Span<UInt8>) -> [TextFragment] {
        guard text.count > 0 else { return [] }
        guard patterns.count > 0 else { return [TextFragment(range: 0..<text.count, token: -1)] }
        guard let flags else { return longestFirst(text) }
        return leftmostLongest(text, flags)
    }

    private func matches(_ text: Span<UInt8>) -> SpecialTokenMatches<Patterns> {
        SpecialTokenMatches(patterns, textByteCount: text.count) { [tables, parsesSpecial] token in
            parsesSpecial || tables.type(of: token) == .userDefined
        }
    }

    // MARK: - From left to right

    private func leftmostLongest(_ text: Span<UInt8>, _ flags: [Int32: AddedTokenRule.Flags])
        -> [TextFragment]
    {
        var matches = matches(text)
        var fragments: [TextFragment] = []
        var plainStart = 0
        var position = 0
        var spaces = 0..<0
        while position < text.count {
            guard matches.begins(text[position]),
                let match = matches.longest(in: text, at: position, limit: text.count)
            else {
                position += 1
                continue
            }
            var (start, end) = (position, position + match.byteCount)
            position = end
            let flags = flags[match.token] ?? []
            if flags.contains(.isWord) && isInsideWord(text, start..<end) { continue }
            if flags.contains(.stripsLeft) {
                start = max(whitespaceStart(text, from: min(plainStart, start), to: start), plainStart)
            }
            if flags.contains(.stripsRight) {
                // A run of white space is scanned only once, no matter how many tokens it contains.
                if !(spaces.lowerBound <= end && end < spaces.upperBound) {
                    spaces = end..<runEnd(text, from: end, to: text.count, of: .whitespace)
                }
                end = spaces.upperBound
            }
            if plainStart < start { fragments.append(TextFragment(range: plainStart..<start, token: -1)) }
            // A token of white space may have been consumed entirely by another.
            if start < end {
                fragments.append(TextFragment(range: start..<end, token: match.token))
                plainStart = end
            }
        }
        if plainStart < text.count {
            fragments.append(TextFragment(range: plainStart..<text.count, token: -1))
        }
        return fragments
    }

    /// Whether a word character is adjacent to a range.
    private func isInsideWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        if range.upperBound < text.count && UTF8Character(text, at: range.upperBound).isWordCharacter {
            return true
        }
        guard range.lowerBound > 0 else { return false }
        var previous = range.lowerBound - 1
        while previous > 0 && text[previous] & 0xC0 == 0x80 { previous -= 1 }
        return UTF8Character(text, at: previous).isWordCharacter
    }

    // MARK: - The longest first

    /// A special token found in the text; smaller candidates have priority.
    private struct Candidate: Comparable {
        let start: Int
        let match: SpecialMatch

        var end: Int { start + match.byteCount }

        static func < (a: Candidate, b: Candidate) -> Bool {
            if a.match.byteCount != b.match.byteCount { return a.match.byteCount > b.match.byteCount }
            if a.match.token != b.match.token { return a.match.token < b.match.token }
            return a.start < b.start
        }
    }

    private func longestFirst(_ text: Span<UInt8>) -> [TextFragment] {
        var matches = matches(text)
        var candidates: [Candidate] = []
        for position in 0..<text.count where matches.begins(text[position]) {
            if let match = matches.longest(in: text, at: position, limit: text.count) {
                candidates.append(Candidate(start: position, match: match))
            }
        }
        let accepted = chosen(from: candidates, text, &matches)
        return withPlainText(accepted, count: text.count)
    }

    /// Candidates that overlap no other are accepted directly; the others compete within their groups.
    private func chosen(
        from candidates: [Candidate], _ text: Span<UInt8>, _ matches: inout SpecialTokenMatches<Patterns>
    ) -> [TextFragment] {
        var accepted: [TextFragment] = []
        var first = 0
        while first < candidates.count {
            var end = candidates[first].end
            var next = first + 1
            while next < candidates.count && candidates[next].start < end {
                end = max(end, candidates[next].end)
                next += 1
            }
            if next == first + 1 {
                let range = candidates[first].start..<end
                accepted.append(TextFragment(range: range, token: candidates[first].match.token))
            } else {
                accepted += winners(of: candidates[first..<next], until: end, text, &matches)
            }
            first = next
        }
        return accepted
    }

    private func winners(
        of candidates: ArraySlice<Candidate>, until end: Int, _ text: Span<UInt8>,
        _ matches: inout SpecialTokenMatches<Patterns>
    ) -> [TextFragment] {
        let begin = candidates.first?.start ?? 0
        // The start of the accepted token that covers each position; −1 for none.
        var takenFrom = [Int](repeating: -1, count: end - begin)
        var accepted: [TextFragment] = []
        var heap = MinimumHeap<Candidate>()
        for candidate in candidates { heap.insert(candidate) }
        while let candidate = heap.popMinimum() {
            if takenFrom[candidate.start - begin] >= 0 { continue }
            // Accepted tokens are at least as long, so one that overlaps this candidate covers its first or last byte.
            let taken = takenFrom[candidate.end - 1 - begin]
            if taken >= 0 {
                // A shorter token can still start here if it ends before the accepted one.
                if let shorter = matches.longest(in: text, at: candidate.start, limit: taken) {
                    heap.insert(Candidate(start: candidate.start, match: shorter))
                }
                continue
            }
            for index in candidate.start..<candidate.end { takenFrom[index - begin] = candidate.start }
            accepted.append(
                TextFragment(range: candidate.start..<candidate.end, token: candidate.match.token))
        }
        return accepted.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    private func withPlainText(_ special: [TextFragment], count: Int) -> [TextFragment] {
        var fragments: [TextFragment] = []
        fragments.reserveCapacity(2 * special.count + 1)
        var position = 0
        for fragment in special {
            if fragment.range.lowerBound > position {
                fragments.append(TextFragment(range: position..<fragment.range.lowerBound, token: -1))
            }
            fragments.append(fragment)
            position = fragment.range.upperBound
        }
        if position < count { fragments.append(TextFragment(range: position..<count, token: -1)) }
        return fragments
    }
}
