// SPDX-License-Identifier: Apache-2.0
// The steps of a `tokenizer.json` besides its vocabulary, as the library `tokenizers` executes them: normalizers change the text
// between added tokens, pre-tokenizers split it, a decoder turns tokens into text.

/// The rules of a tokenizer whose section has version 2.
package struct TokenizerRules: Equatable, Sendable {
    package var normalizers: [NormalizerStep] = []
    package var preTokenizers: [PreTokenizerStep] = []
    package var decoder = DecoderRules()
    /// Added tokens with special rules.
    package var added: [AddedTokenRule] = []

    package init() {}

    /// A text after all normalizers.
    package func normalized(_ text: String) -> String {
        var normalized = NormalizedText(bytes: Array(text.utf8), beginsText: true)
        for step in normalizers { normalized.apply(step) }
        return String(decoding: normalized.bytes, as: UTF8.self)
    }
}

/// One change of a text before it is split.
package enum NormalizerStep: Equatable, Sendable {
    case nfc, nfd, nfkc, nfkd
    /// Each character separately: a final sigma is not special.
    case lowercase
    /// Removes marks.
    case stripAccents
    /// Removes white space at the ends.
    case strip(left: Bool, right: Bool)
    /// Replaces every occurrence, from the left.
    case replace(String, by: String)
    /// Prepends a text to any text that is not empty.
    case prepend(String)
}

/// One split of a text, or a change before a split.
package enum PreTokenizerStep: Equatable, Sendable {
    case split(SplitRule, SplitBehavior)
    /// Splits at each occurrence of a text.
    case splitText(String, SplitBehavior)
    /// Replaces spaces by a mark and prepends one; with `splits` each mark starts a piece.
    case metaspace(mark: Unicode.Scalar, scheme: PrependScheme, splits: Bool)
    /// Prepends a space to every piece that does not start with one.
    case prefixSpace
}

/// Where a mark is prepended.
package enum PrependScheme: UInt8, Sendable {
    case never = 0
    /// At the start of the text, but not after an added token.
    case first = 1
    case always = 2
}

/// How the matches of an expression become pieces.
package struct SplitBehavior: Equatable, Sendable {
    package enum Delimiter: UInt8, Sendable {
        case isolated = 0
        case removed = 1
        case mergedWithPrevious = 2
        case mergedWithNext = 3
        case contiguous = 4
    }

    package var delimiter: Delimiter
    /// Whether matches and the parts between them swap roles.
    package var isInverted = false

    package static let isolated = SplitBehavior(.isolated)

    package init(_ delimiter: Delimiter, isInverted: Bool = false) {
        self.delimiter = delimiter
        self.isInverted = isInverted
    }
}

/// How tokens become text.
package struct DecoderRules: Equatable, Sendable {
    /// The mark that represents a space.
    package var mark: Unicode.Scalar?
    /// The maximum number of spaces removed from the start of the text.
    package var strippedSpaceCount = 0
    /// Whether all marks are removed from the first token, at any position.
    package var dropsFirstMarks = false
    /// Whether single-byte tokens become `<0xHH>` instead of the byte.
    package var writesBytes = false

    package init() {}
}

/// An added token with rules beyond its text.
package struct AddedTokenRule: Equatable, Sendable {
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Absorbs the preceding white space.
        package static let stripsLeft = Flags(rawValue: 1)
        /// Absorbs the following white space.
        package static let stripsRight = Flags(rawValue: 2)
        /// Is not recognized within a word.
        package static let isWord = Flags(rawValue: 4)
        package static let known = Flags(rawValue: 7)
    }

    package var token: Int32
    package var flags: Flags
    /// The text to find in normalized text; nil if the token's own text is matched before normalization.
    package var normalizedText: String?

    package init(token: Int32, flags: Flags, normalizedText: String? = nil) {
        self.token = token
        self.flags = flags
        self.normalizedText = normalizedText
    }
}
