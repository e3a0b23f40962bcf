// SPDX-License-Identifier: Apache-2.0
// The layout of a tokenizer section (formats/tokenizer.md §3): the header's numbers determine every offset.

/// The header of a tokenizer section, and the offsets derived from it.
struct TokenizerLayout: Sendable {
    static let magic: UInt32 = 0x4B4F_5454  // "TTOK"
    /// Versions without and with rules.
    static let (version, versionWithRules): (UInt16, UInt16) = (1, 2)
    static let headerByteCount = 96

    /// Limits of formats/tokenizer.md §5.
    static let maximumTokenCount = 1 << 20 - 1
    static let maximumMergeCount = 1 << 20 - 1
    static let maximumTokenByteCount = 1 << 16 - 1
    static let maximumTextByteCount = 1 << 24 - 1
    static let maximumEndOfGenerationCount = 1024
    static let maximumRuleByteCount = 1 << 24 - 1

    struct Flags: OptionSet, Sendable {
        let rawValue: UInt16
        static let addsBeginOfSequence = Flags(rawValue: 1)
        static let addsEndOfSequence = Flags(rawValue: 2)
        static let addsSpacePrefix = Flags(rawValue: 4)
        static let ignoresMerges = Flags(rawValue: 8)
        static let usesUnknown = Flags(rawValue: 16)
        static let fusesUnknown = Flags(rawValue: 32)
    }

    var kind: TokenizerKind
    var preTokenizer: PreTokenizer
    var flags: Flags
    var tokenCount: Int
    var textByteCount: Int
    /// Bytes of the longest token's text.
    var longestTokenByteCount: Int
    var endOfGenerationCount: Int
    var specialCount: Int
    var textSlotCount: Int
    var mergeCount: Int
    var mergeSlotCount: Int
    /// Begin of sequence, end of sequence, unknown, padding; −1 for none.
    var specialIds: SIMD4<Int32>
    /// The set (256 bits) of bytes that precede a space inside some token of a SentencePiece vocabulary. After any other byte
    /// except a space, no token spans the boundary before a space, so the text may be cut there.
    ///
    /// With rules the mark U+2581 takes the place of the space.
    var joinsSpaces = SIMD4<UInt64>()
    /// The size of the rules in a section of version 2; nil in version 1.
    var ruleByteCount: Int?

    /// Whether no token spans the boundary between a byte and a following space.
    @inline(__always)
    func cutsBeforeSpace(after byte: UInt8) -> Bool {
        joinsSpaces[Int(byte >> 6)] >> UInt64(byte & 63) & 1 == 0
    }

    /// Byte offsets of the arrays, in file order; each is a multiple of eight.
    struct Offsets: Sendable {
        var merges = 0
        var mergeSlots = 0
        var textSlots = 0
        var textOffsets = 0
        var scores = 0
        var byteTokens = 0
        var firstBytes = 0
        var specialTokens = 0
        var endOfGeneration = 0
        var types = 0
        var texts = 0
        var rules = 0
        var end = 0
        /// The gaps between the arrays, filled with zeros.
        var padding: [Range<Int>] = []
    }

    /// The offset of every array. Cannot overflow: all counts are below 2^24.
    var offsets: Offsets {
        var offsets = Offsets()
        var next = Self.headerByteCount
        func place(_ byteCount: Int) -> Int {
            let start = next
            next = (start + byteCount + 7) & ~7
            if next > start + byteCount { offsets.padding.append(start + byteCount..<next) }
            return start
        }
        offsets.merges = place(8 * mergeCount)
        offsets.mergeSlots = place(4 * mergeSlotCount)
        offsets.textSlots = place(4 * textSlotCount)
        offsets.textOffsets = place(3 * (tokenCount + 1))
        offsets.scores = place(kind == .sentencePieceBPE ? 4 * tokenCount : 0)
        offsets.byteTokens = place(4 * 256)
        offsets.firstBytes = place(4 * 257)
        offsets.specialTokens = place(4 * specialCount)
        offsets.endOfGeneration = place(4 * endOfGenerationCount)
        offsets.types = place(tokenCount)
        offsets.texts = place(textByteCount)
        offsets.rules = place(ruleByteCount ?? 0)
        offsets.end = next
        return offsets
    }
}
