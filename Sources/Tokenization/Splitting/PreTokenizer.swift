// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE splits text into pieces before it merges. Models define the splits by regular expressions. Here each expression
// is a function, and a pre-tokenizer is a list of expressions, each applied within the pieces of the previous one.

/// A published way to split text into pieces. The raw value is the number in a tokenizer section.
package enum PreTokenizer: UInt8, Sendable, CaseIterable {
    /// No splits (SentencePiece).
    case none = 0
    case gpt2 = 1
    /// Llama 3: words with one leading character of any kind, up to three digits.
    case llama3 = 2
    /// Qwen 2 and later: as Llama 3, with single digits.
    case qwen2 = 3
    /// SmolLM, StarCoder: single digits, then GPT-2.
    case smollm = 4
    /// Mistral NeMo: splits where lower case changes to upper case.
    case tekken = 5
    case deepseekCoder = 6
    /// GGUF's `default`, for files that name none.
    case fallback = 7

    /// The expressions, outermost first.
    package var rules: [SplitRule] {
        switch self {
        case .none: []
        case .gpt2: [.gpt2]
        case .llama3: [.llama3]
        case .qwen2: [.qwen2]
        case .smollm: [.eachNumber, .gpt2]
        case .tekken: [.casedWords]
        case .deepseekCoder:
            [.eachLineBreak, .spacedLetters, .spacedPunctuation, .eastAsianRuns, .eachNumber]
        case .fallback: [.punctuationAndSymbolRuns, .gpt2, .numberRuns, .threeDigits]
        }
    }
}

/// One expression. The raw value is its number in the rules of a section of version 2.
package enum SplitRule: UInt8, Sendable, CaseIterable {
    case gpt2 = 1
    case llama3 = 2
    case qwen2 = 3
    /// Mistral NeMo's.
    case casedWords = 4
    case eachNumber = 5
    case numberRuns = 6
    case threeDigits = 7
    case punctuationAndSymbolRuns = 8
    case eachLineBreak = 9
    case spacedLetters = 10
    case spacedPunctuation = 11
    case eastAsianRuns = 12
    /// Up to three numbers.
    case numberGroups = 13
    /// Punctuation and ASCII symbols, each as a separate piece.
    case eachPunctuation = 14
    case eachWhitespace = 15
    case whitespaceRuns = 16
    /// `\w+|[^\w\s]+`
    case wordsAndOthers = 17

    /// Whether every character is part of a match.
    package var coversAll: Bool {
        switch self {
        case .gpt2, .llama3, .qwen2, .casedWords: true
        default: false
        }
    }

    /// The end of the piece that begins at `start`, as if the text ended at `limit`.
    ///
    /// - Precondition: `start < limit`.
    @inline(__always)
    func pieceEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int {
        switch self {
        case .gpt2: gpt2PieceEnd(text, from: start, to: limit)
        case .llama3: wordPieceEnd(text, from: start, to: limit, digitCount: 3)
        case .qwen2: wordPieceEnd(text, from: start, to: limit, digitCount: 1)
        case .casedWords: casedPieceEnd(text, from: start, to: limit)
        default: isolatedPieceEnd(text, from: start, to: limit)
        }
    }

    /// The matches and the parts between them, which together cover a range.
    func parts(_ text: Span<UInt8>, _ range: Range<Int>) -> [(range: Range<Int>, isMatch: Bool)] {
        var parts: [(range: Range<Int>, isMatch: Bool)] = []
        var start = range.lowerBound
        while start < range.upperBound {
            let end = pieceEnd(text, from: start, to: range.upperBound)
            let isMatch = coversAll || matchEnd(text, at: start, to: range.upperBound) != nil
            parts.append((start..<end, isMatch))
            start = end
        }
        return parts
    }

    /// For expressions that match only part of the text: the end of the match at `start`, or the start of the next match.
    private func isolatedPieceEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int {
        if let end = matchEnd(text, at: start, to: limit) { return end }
        var position = start
        repeat {
            position += UTF8Character(text, at: position).byteCount
        } while position < limit && matchEnd(text, at: position, to: limit) == nil
        return position
    }

    /// The end of the match that starts exactly at `start`, if there is one.
    private func matchEnd(_ text: Span<UInt8>, at start: Int, to limit: Int) -> Int? {
        switch self {
        case .eachNumber:
            let character = UTF8Character(text, at: start)
            return character.characterClass.contains(.number) ? start + character.byteCount : nil
        case .numberRuns:
            return nonEmpty(start, runEnd(text, from: start, to: limit, of: .number))
        case .threeDigits:
            guard start + 3 <= limit, (start..<start + 3).allSatisfy({ text[$0] &- 0x30 < 10 }) else {
                return nil
            }
            return start + 3
        case .punctuationAndSymbolRuns:
            return nonEmpty(start, punctuationRunEnd(text, from: start, to: limit))
        case .eachLineBreak:
            return text[start] == 0x0A || text[start] == 0x0D ? start + 1 : nil
        case .spacedLetters:
            return spacedRunEnd(text, from: start, to: limit, of: .letter)
        case .spacedPunctuation:
            return spacedRunEnd(text, from: start, to: limit, of: .punctuation)
        case .eastAsianRuns:
            return nonEmpty(start, eastAsianRunEnd(text, from: start, to: limit))
        case .numberGroups:
            return nonEmpty(start, digitsEnd(text, from: start, to: limit, count: 3))
        case .eachPunctuation:
            let character = UTF8Character(text, at: start)
            return UnicodeTables.punctuation[character.value] > 0 ? start + character.byteCount : nil
        case .eachWhitespace:
            let character = UTF8Character(text, at: start)
            return character.characterClass.contains(.whitespace) ? start + character.byteCount : nil
        case .whitespaceRuns:
            return nonEmpty(start, runEnd(text, from: start, to: limit, of: .whitespace))
        case .wordsAndOthers:
            return nonEmpty(start, wordOrOtherEnd(text, from: start, to: limit))
        default:
            return nil
        }
    }

    private func nonEmpty(_ start: Int, _ end: Int) -> Int? { end > start ? end : nil }
}

/// Iterates over the pieces of a text. Each rule splits only within the pieces of the previous rule.
struct PieceIterator {
    private let rules: [SplitRule]
    /// The end of each rule's current piece.
    private var ends: [Int]
    private var position: Int
    private let limit: Int

    init(_ rules: [SplitRule], over range: Range<Int>) {
        self.rules = rules
        ends = [Int](repeating: range.lowerBound, count: rules.count)
        position = range.lowerBound
        limit = range.upperBound
    }

    /// The next piece of the text, or nil at its end. The pieces cover the whole range.
    mutating func next(in text: Span<UInt8>) -> Range<Int>? {
        guard position < limit else { return nil }
        let start = position
        var end = limit
        for index in rules.indices {
            if ends[index] == start { ends[index] = rules[index].pieceEnd(text, from: start, to: end) }
            end = ends[index]
        }
        position = end
        return start..<end
    }
}
