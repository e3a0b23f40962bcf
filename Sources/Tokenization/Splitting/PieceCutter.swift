// SPDX-License-Identifier: Apache-2.0
// The pre-tokenizers of a `tokenizer.json`, applied in order: each splits the pieces of the previous one, and some replace spaces
// or prepend one.

/// A text split into pieces. Text between two pieces has been removed.
struct TextPieces {
    private(set) var bytes: [UInt8]
    private(set) var ranges: [Range<Int>]
    /// Whether the first piece starts with the first character of the whole text.
    private var beginsText: Bool

    init(_ text: NormalizedText) {
        bytes = text.bytes
        ranges = text.bytes.isEmpty ? [] : [0..<text.bytes.count]
        beginsText = text.beginsText
    }

    /// Applies one step to every piece.
    mutating func apply(_ step: PreTokenizerStep) {
        switch step {
        case .split(let rule, let behavior):
            cut(behavior) { text, range in rule.parts(text, range) }
        case .splitText(let delimiter, let behavior):
            let search = TextSearch(Array(delimiter.utf8))
            cut(behavior) { text, range in Self.parts(search.matches(in: text, range), of: range) }
        case .metaspace(let mark, let scheme, let splits):
            let mark = Array(String(mark).utf8)
            let first = beginsText ? ranges.first?.lowerBound : nil
            rewrite { piece, start in
                let text = Self.replaced(piece, by: mark)
                let wants = scheme == .always || (scheme == .first && start == first)
                return wants && !text.starts(with: mark) ? mark + text : text
            }
            if splits {
                apply(.splitText(String(decoding: mark, as: UTF8.self), SplitBehavior(.mergedWithNext)))
            }
        case .prefixSpace:
            rewrite { piece, _ in piece.first == 0x20 ? Array(piece) : [0x20] + piece }
        }
    }

    private static func replaced(_ piece: ArraySlice<UInt8>, by mark: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(piece.count + piece.count / 2)
        for byte in piece { if byte == 0x20 { output += mark } else { output.append(byte) } }
        return output
    }

    /// Replaces the bytes of every piece.
    private mutating func rewrite(_ change: (ArraySlice<UInt8>, Int) -> [UInt8]) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + ranges.count)
        var places: [Range<Int>] = []
        places.reserveCapacity(ranges.count)
        for range in ranges {
            let start = output.count
            output += change(bytes[range], range.lowerBound)
            places.append(start..<output.count)
        }
        bytes = output
        ranges = places
    }

    // MARK: - Cuts

    private typealias Part = (range: Range<Int>, isMatch: Bool)

    private mutating func cut(_ behavior: SplitBehavior, _ parts: (Span<UInt8>, Range<Int>) -> [Part]) {
        let first = ranges.first?.lowerBound
        var output: [Range<Int>] = []
        for range in ranges {
            var found = parts(bytes.span, range)
            if behavior.isInverted { found = found.map { ($0.range, !$0.isMatch) } }
            Self.append(found, behavior.delimiter, to: &output)
        }
        ranges = output
        if ranges.first?.lowerBound != first { beginsText = false }
    }

    /// Matches and the parts between them.
    private static func parts(_ matches: [Range<Int>], of range: Range<Int>) -> [Part] {
        var parts: [Part] = []
        var position = range.lowerBound
        for match in matches {
            if position < match.lowerBound { parts.append((position..<match.lowerBound, false)) }
            parts.append((match, true))
            position = match.upperBound
        }
        if position < range.upperBound { parts.append((position..<range.upperBound, false)) }
        return parts
    }

    /// Joins a piece's parts according to the delimiter's behaviour.
    private static func append(
        _ parts: [Part], _ delimiter: SplitBehavior.Delimiter, to output: inout [Range<Int>]
    ) {
        let start = output.count
        for (index, part) in parts.enumerated() {
            let previous = index > 0 && parts[index - 1].isMatch
            let joins =
                switch delimiter {
                case .isolated, .removed: false
                case .mergedWithPrevious: part.isMatch && !previous
                case .mergedWithNext: previous && !part.isMatch
                case .contiguous: part.isMatch == previous
                }
            if delimiter == .removed && part.isMatch { continue }
            if joins, output.count > start, let last = output.popLast() {
                output.append(last.lowerBound..<part.range.upperBound)
            } else {
                output.append(part.range)
            }
        }
    }
}
