// SPDX-License-Identifier: Apache-2.0
// The character properties that pre-tokenizers use: the Unicode categories in their regular expressions. Comparisons cover the
// ranges of common text, the standard library's tables the rest.

/// General categories, as needed for `\p{…}` and `\s` in pre-tokenizers.
struct CharacterClass: OptionSet {
    let rawValue: UInt8

    static let letter = CharacterClass(rawValue: 1)
    static let number = CharacterClass(rawValue: 2)
    /// The property White_Space, the meaning of `\s`.
    static let whitespace = CharacterClass(rawValue: 4)
    static let punctuation = CharacterClass(rawValue: 8)
    static let symbol = CharacterClass(rawValue: 16)
    static let mark = CharacterClass(rawValue: 32)
    /// Lu, Lt, Lm, Lo or M: possible first characters of a capitalized word.
    static let upperLike = CharacterClass(rawValue: 64)
    /// Ll, Lm, Lo or M: possible last characters of a word.
    static let lowerLike = CharacterClass(rawValue: 128)

    /// Whitespace, letters and numbers; a run of anything else is one piece.
    static let wordOrSpace: CharacterClass = [.letter, .number, .whitespace]
    static let uncasedLetter: CharacterClass = [.letter, .upperLike, .lowerLike]

    @inline(__always)
    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The class of a scalar value.
    @inline(__always)
    init(_ value: UInt32) {
        self = value < 0x80 ? CharacterClass(ascii: value) : CharacterClass(nonASCII: value)
    }

    @inline(__always)
    private init(ascii value: UInt32) {
        if value &- 0x61 < 26 {
            self = [.letter, .lowerLike]
        } else if value &- 0x41 < 26 {
            self = [.letter, .upperLike]
        } else if value == 0x20 || value &- 0x09 < 5 {
            self = .whitespace
        } else if value &- 0x30 < 10 {
            self = .number
        } else if value < 0x20 || value == 0x7F {
            self = []
        } else {
            switch value {
            case 0x24, 0x2B, 0x3C...0x3E, 0x5E, 0x60, 0x7C, 0x7E: self = .symbol
            default: self = .punctuation
            }
        }
    }

    private init(nonASCII value: UInt32) {
        switch value {
        // Han, kana and Hangul syllables: blocks without gaps, all of category Lo.
        case 0x4E00...0x9FFF, 0x3041...0x3096, 0x30A1...0x30FA, 0xAC00...0xD7A3, 0x3400...0x4DBF:
            self = .uncasedLetter
        // Basic Cyrillic.
        case 0x0400...0x042F: self = [.letter, .upperLike]
        case 0x0430...0x045F: self = [.letter, .lowerLike]
        default: self = CharacterClass(looking: value)
        }
    }

    /// Characters assigned after Unicode 15.1 count as unassigned: ids must not depend on the version of the standard library,
    /// and the models' own tokenizers do not know these characters either.
    private init(looking value: UInt32) {
        guard let properties = Unicode.Scalar(value)?.properties, let age = properties.age, age <= (15, 1)
        else {
            self = []
            return
        }
        switch properties.generalCategory {
        case .uppercaseLetter, .titlecaseLetter: self = [.letter, .upperLike]
        case .lowercaseLetter: self = [.letter, .lowerLike]
        case .modifierLetter, .otherLetter: self = .uncasedLetter
        case .nonspacingMark, .spacingMark, .enclosingMark: self = [.mark, .upperLike, .lowerLike]
        case .decimalNumber, .letterNumber, .otherNumber: self = .number
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: self = .whitespace
        case .control: self = value == 0x85 ? .whitespace : []
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation, .finalPunctuation, .otherPunctuation:
            self = .punctuation
        case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: self = .symbol
        default: self = []
        }
    }
}

/// One character of a text.
struct UTF8Character {
    let value: UInt32
    let byteCount: Int

    /// The character at a position of valid UTF-8.
    ///
    /// - Precondition: `position` is a character's first byte.
    @inline(__always)
    init(_ text: Span<UInt8>, at position: Int) {
        let first = UInt32(text[position])
        if first < 0x80 {
            value = first
            byteCount = 1
        } else if first < 0xE0 {
            value = (first & 0x1F) << 6 | UInt32(text[position + 1] & 0x3F)
            byteCount = 2
        } else if first < 0xF0 {
            value =
                (first & 0x0F) << 12 | UInt32(text[position + 1] & 0x3F) << 6
                | UInt32(text[position + 2] & 0x3F)
            byteCount = 3
        } else {
            value =
                (first & 0x07) << 18 | UInt32(text[position + 1] & 0x3F) << 12
                | UInt32(text[position + 2] & 0x3F) << 6 | UInt32(text[position + 3] & 0x3F)
            byteCount = 4
        }
    }

    var characterClass: CharacterClass { CharacterClass(value) }
}

extension UTF8Character {
    /// `\w`: letters and combining marks, decimal digits, connectors and the two joiners.
    var isWordCharacter: Bool {
        if value < 0x80 { return value == 0x5F || !characterClass.isDisjoint(with: [.letter, .number]) }
        guard let properties = Unicode.Scalar(value)?.properties else { return false }
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
        default: return properties.isAlphabetic || value == 0x200C || value == 0x200D
        }
    }
}
