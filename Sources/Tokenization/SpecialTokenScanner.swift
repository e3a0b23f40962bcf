// SPDX-License-Identifier: Apache-2.0
// Finds control and user-defined tokens in text before it is cut: the longest tokens first over the whole text,
// then from left to right, as llama.cpp does token by token; here in one pass over the text.

/// A part of a text: plain, or one special token.
struct TextFragment: Equatable {
    var range: Range<Int>
    /// −1 for plain text.
    var token: Int32
}

struct SpecialTokenScanner {
    let tables: TokenizerTables
    /// Whether control and unknown tokens are recognized too, not only user-defined ones.
    let parsesSpecial: Bool

    /// Cuts a text into special tokens and what lies between them. No fragment is empty.
    func fragments(of text: Span<UInt8>) -> [TextFragment] {
        guard text.count > 0 else { return [] }
        var candidates = candidates(in: text)
        guard !candidates.isEmpty else { return [TextFragment(range: 0..<text.count, token: -1)] }
        var isTaken = [Bool](repeating: false, count: text.count)
        var accepted: [TextFragment] = []
        while let candidate = candidates.popMinimum() {
            let range = candidate.start..<candidate.start + candidate.byteCount
            if let taken = range.first(where: { isTaken[$0] }) {
                // Only a shorter token can still begin here, one that ends before what is taken.
                if taken > range.lowerBound,
                    let shorter = match(in: text, at: range.lowerBound, limit: taken)
                {
                    candidates.insert(shorter)
                }
                continue
            }
            for index in range { isTaken[index] = true }
            accepted.append(TextFragment(range: range, token: candidate.token))
        }
        accepted.sort { $0.range.lowerBound < $1.range.lowerBound }
        return withPlainText(accepted, count: text.count)
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

    /// A special token found in the text; the smaller one is taken first.
    private struct Candidate: Comparable {
        let start: Int
        let byteCount: Int
        let token: Int32

        static func < (a: Candidate, b: Candidate) -> Bool {
            if a.byteCount != b.byteCount { return a.byteCount > b.byteCount }
            if a.token != b.token { return a.token < b.token }
            return a.start < b.start
        }
    }

    /// The longest special token at each position where there is one.
    private func candidates(in text: Span<UInt8>) -> MinimumHeap<Candidate> {
        var heap = MinimumHeap<Candidate>()
        guard tables.layout.specialCount > 0 else { return heap }
        var begins = [Bool](repeating: false, count: 256)
        for byte in 0..<256 { begins[byte] = tables.firstByteIndex(byte) < tables.firstByteIndex(byte + 1) }
        for position in 0..<text.count where begins[Int(text[position])] {
            if let candidate = match(in: text, at: position, limit: text.count) { heap.insert(candidate) }
        }
        return heap
    }

    /// The longest special token at a position that ends at `limit` or before.
    ///
    /// The list is sorted by text, so the tokens that share a prefix are neighbours and the shortest comes first:
    /// each further byte of the text narrows the range.
    private func match(in text: Span<UInt8>, at start: Int, limit: Int) -> Candidate? {
        var low = tables.firstByteIndex(Int(text[start]))
        var high = tables.firstByteIndex(Int(text[start]) + 1)
        var depth = 1
        var found: Candidate?
        while low < high {
            let token = tables.specialToken(low)
            if tables.textRange(of: token).count == depth {
                if parsesSpecial || tables.type(of: token) == .userDefined {
                    found = Candidate(start: start, byteCount: depth, token: token)
                }
                low += 1
            }
            guard start + depth < limit else { break }
            let byte = text[start + depth]
            low = lowerBound(in: low..<high, depth: depth, byte: UInt16(byte))
            high = lowerBound(in: low..<high, depth: depth, byte: UInt16(byte) + 1)
            depth += 1
        }
        return found
    }

    /// The first entry in a range of longer texts with a common prefix whose next byte is at least `byte`.
    private func lowerBound(in range: Range<Int>, depth: Int, byte: UInt16) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            let offset = tables.textRange(of: tables.specialToken(middle)).lowerBound + depth
            if UInt16(tables.textByte(offset)) < byte { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
