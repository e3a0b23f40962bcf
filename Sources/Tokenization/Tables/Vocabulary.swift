// SPDX-License-Identifier: Apache-2.0
// A vocabulary as in model files: token texts in their written form, before any table is built.

/// The algorithm that turns text into tokens.
package enum TokenizerKind: UInt8, Sendable {
    /// Byte-level byte pair encoding: bytes in GPT-2's printable alphabet, merges by rank.
    case byteLevelBPE = 1
    /// SentencePiece's BPE: scalars with spaces written U+2581, merges by score, bytes as a fallback.
    case sentencePieceBPE = 2
    /// BPE of characters by the rank of merges, bytes as a fallback: SentencePiece's in a `tokenizer.json`.
    case characterBPE = 3
}

/// The purpose of a token. The numbers are those of GGUF's `tokenizer.ggml.token_type`.
package enum TokenType: UInt8, Sendable {
    case normal = 1
    case unknown = 2
    /// A control token (begin, end, roles): never made from plain text, not shown as text.
    case control = 3
    /// Added to the vocabulary by hand: matched in the text before any other step.
    case userDefined = 4
    case unused = 5
    /// One byte, for text that no other token covers; written `<0xHH>`.
    case byte = 6
}

/// Two tokens that may be joined, by id. A merge's rank is its place in the list.
package struct Merge: Hashable, Sendable {
    package var left: Int32
    package var right: Int32

    package init(left: Int32, right: Int32) {
        self.left = left
        self.right = right
    }
}

/// All data that a tokenizer is built from.
///
/// Byte-level BPE has merges, SentencePiece scores, BPE of characters merges and rules.
package struct Vocabulary: Sendable {
    package var kind: TokenizerKind
    /// How text is split before merging (byte-level BPE only).
    package var preTokenizer = PreTokenizer.none
    /// Token texts as written in the model file: GPT-2's alphabet or U+2581 for spaces in normal tokens.
    package var texts: [String]
    /// One per text.
    package var types: [TokenType]
    /// One per text (SentencePiece), or empty.
    package var scores: [Float] = []
    /// By rank (byte-level BPE), or empty.
    package var merges: [Merge] = []

    package var beginOfSequence: Int32?
    package var endOfSequence: Int32?
    package var unknown: Int32?
    package var padding: Int32?
    /// Every token after which generation stops, the end of sequence included.
    package var endOfGeneration: [Int32] = []

    package var addsBeginOfSequence = false
    package var addsEndOfSequence = false
    /// Whether a space is prepended to text (SentencePiece only).
    package var addsSpacePrefix = false
    /// Whether a piece that is a token skips merging (not SentencePiece).
    package var ignoresMerges = false
    /// Whether unencodable text becomes the unknown token; otherwise it is dropped (with rules only).
    package var usesUnknown = false
    /// Whether consecutive unknown tokens are fused into one (with rules only).
    package var fusesUnknown = false
    /// Whether a character without a token becomes its bytes' tokens (BPE of characters only).
    package var fallsBackToBytes = true
    /// Tokens that only the list of added tokens names, so that merging never produces them (with rules only).
    package var addedOnly: Set<Int32> = []
    /// The steps of a `tokenizer.json`; nil for llama.cpp's algorithm with the pre-tokenizer above.
    package var rules: TokenizerRules?

    package init(kind: TokenizerKind, texts: [String], types: [TokenType]) {
        self.kind = kind
        self.texts = texts
        self.types = types
    }

    /// The merges described by lines such as `"Ġ t"`, with tokens looked up by their text.
    ///
    /// - Parameter lines: by rank; two texts separated by a space, as in GGUF and `tokenizer.json`.
    /// - Throws: `.merges` if a line has no second text, or names a token that the vocabulary lacks.
    package func resolveMerges(_ lines: [String]) throws(TokenizerError) -> [Merge] {
        var pairs: [(left: ArraySlice<UInt8>, right: ArraySlice<UInt8>)] = []
        pairs.reserveCapacity(lines.count)
        for (rank, line) in lines.enumerated() {
            let bytes = Array(line.utf8)
            guard let space = bytes.dropFirst().firstIndex(of: 0x20) else {
                throw TokenizerError(
                    .merges, found: "'\(line)'", expected: "two texts with a space between",
                    at: "merge \(rank)")
            }
            pairs.append((bytes[..<space], bytes[(space + 1)...]))
        }
        return try resolveMerges(pairs)
    }

    /// The merges of pairs of texts, by rank.
    ///
    /// - Throws: `.merges` if a text is not in the vocabulary.
    package func resolveMerges(
        _ pairs: [(left: ArraySlice<UInt8>, right: ArraySlice<UInt8>)]
    ) throws(TokenizerError) -> [Merge] {
        let index = TokenIndex(texts: texts)
        var merges: [Merge] = []
        merges.reserveCapacity(pairs.count)
        for (rank, pair) in pairs.enumerated() {
            guard let left = index.id(of: pair.left), let right = index.id(of: pair.right) else {
                throw TokenizerError(
                    .merges, found: "'\(String(decoding: pair.left + [0x20] + pair.right, as: UTF8.self))'",
                    expected: "texts of the vocabulary", at: "merge \(rank)")
            }
            merges.append(Merge(left: left, right: right))
        }
        return merges
    }
}

extension Vocabulary {
    /// The first token with a text, compared byte by byte.
    package func id(of text: String) -> Int32? {
        let bytes = text.utf8
        return texts.firstIndex { $0.utf8.elementsEqual(bytes) }.map { Int32($0) }
    }

    /// Whether every byte has a token (byte-level BPE).
    package var hasAllBytes: Bool {
        let index = textIndex
        return (0...255).allSatisfy { index[String(ByteAlphabet.scalar(of: UInt8($0))).utf8] != nil }
    }

    /// Whether a text is a character of the byte alphabet that differs from its byte.
    package func isByte(_ text: String) -> Bool {
        guard text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first else { return false }
        return !scalar.isASCII && ByteAlphabet.byte(of: scalar) != nil
    }

    /// All tokens by their texts.
    package var textIndex: TokenIndex { TokenIndex(texts: texts) }
}

/// Token ids by the bytes of their texts. Swift strings would treat canonically equivalent texts as equal.
package struct TokenIndex {
    private var ids: [ArraySlice<UInt8>: Int32]

    /// Of tokens with the same text, the first is found.
    init(texts: [String]) {
        ids = Dictionary(minimumCapacity: texts.count)
        for (id, text) in texts.enumerated() {
            let key = Array(text.utf8)[...]
            if ids[key] == nil { ids[key] = Int32(id) }
        }
    }

    func id(of text: ArraySlice<UInt8>) -> Int32? { ids[text] }

    /// The token with these bytes.
    package subscript(text: some Sequence<UInt8>) -> Int32? { ids[Array(text)[...]] }
}
