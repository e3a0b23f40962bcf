// SPDX-License-Identifier: Apache-2.0
// What `tokenizer.json` says besides its vocabulary, step by step, as the library `tokenizers` carries it out:
// normalizers change the text between added tokens, pre-tokenizers cut it, a decoder makes text of tokens.

/// The rules of a tokenizer whose section has version 2.
package struct TokenizerRules: Equatable, Sendable {
    package var normalizers: [NormalizerStep] = []
    package var preTokenizers: [PreTokenizerStep] = []
    package var decoder = DecoderRules()
    /// What is special about some added tokens.
    package var added: [AddedTokenRule] = []

    package init() {}

    /// A text after all normalizers.
    package func normalized(_ text: String) -> String {
        var normalized = NormalizedText(bytes: Array(text.utf8), beginsText: true)
        for step in normalizers { normalized.apply(step) }
        return String(decoding: normalized.bytes, as: UTF8.self)
    }
}

/// One change of a text before it is cut.
package enum NormalizerStep: Equatable, Sendable {
    case nfc, nfd, nfkc, nfkd
    /// Each character by itself: a final sigma is like any other.
    case lowercase
    /// Leaves marks out.
    case stripAccents
    /// Takes white space off the ends.
    case strip(left: Bool, right: Bool)
    /// Every occurrence, from the left.
    case replace(String, by: String)
    /// In front of a text that is not empty.
    case prepend(String)
}

/// One cut of a text, or a change before a cut.
package enum PreTokenizerStep: Equatable, Sendable {
    case split(SplitRule, SplitBehavior)
    /// At each occurrence of a text.
    case splitText(String, SplitBehavior)
    /// Spaces become a mark, one more is put in front, and with `splits` each begins a piece.
    case metaspace(mark: Unicode.Scalar, scheme: PrependScheme, splits: Bool)
    /// A space in front of every piece that does not begin with one.
    case prefixSpace
}

/// Where a mark is put in front.
package enum PrependScheme: UInt8, Sendable {
    case never = 0
    /// Where the text begins, but not after an added token.
    case first = 1
    case always = 2
}

/// What becomes of the matches of an expression.
package struct SplitBehavior: Equatable, Sendable {
    package enum Delimiter: UInt8, Sendable {
        case isolated = 0
        case removed = 1
        case mergedWithPrevious = 2
        case mergedWithNext = 3
        case contiguous = 4
    }

    package var delimiter: Delimiter
    /// What lies between the matches counts as a match, and the other way round.
    package var isInverted = false

    package static let isolated = SplitBehavior(.isolated)

    package init(_ delimiter: Delimiter, isInverted: Bool = false) {
        self.delimiter = delimiter
        self.isInverted = isInverted
    }
}

/// How tokens become text.
package struct DecoderRules: Equatable, Sendable {
    /// What stands for a space.
    package var mark: Unicode.Scalar?
    /// At most so many spaces are taken off the beginning of the text.
    package var strippedSpaceCount = 0
    /// The first token loses its marks, wherever they stand.
    package var dropsFirstMarks = false
    /// Tokens of single bytes become `<0xHH>`, not the byte.
    package var writesBytes = false

    package init() {}
}

/// An added token that takes more than its text.
package struct AddedTokenRule: Equatable, Sendable {
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Takes the white space before it.
        package static let stripsLeft = Flags(rawValue: 1)
        /// Takes the white space after it.
        package static let stripsRight = Flags(rawValue: 2)
        /// Is none within a word.
        package static let isWord = Flags(rawValue: 4)
        package static let known = Flags(rawValue: 7)
    }

    package var token: Int32
    package var flags: Flags
    /// What is looked for in the normalized text; nil where the token's own text is looked for before.
    package var normalizedText: String?

    package init(token: Int32, flags: Flags, normalizedText: String? = nil) {
        self.token = token
        self.flags = flags
        self.normalizedText = normalizedText
    }
}
