// SPDX-License-Identifier: Apache-2.0
// Tokenizers for tests: the small golden vocabularies.

import Formats
import Tokenization

enum TestTokenizers {
    /// Opens a section in memory of its own, on an odd address: no alignment is needed.
    static func open(_ section: [UInt8]) throws(TokenizerError) -> Tokenizer {
        let view = ByteView(copying: [0] + section)
        return try Tokenizer(
            bytes: UnsafeRawBufferPointer(rebasing: view.bytes[1...]), owner: view.owner)
    }

    static func open(_ vocabulary: Vocabulary) throws -> Tokenizer {
        try open(TokenizerBuilder(vocabulary: vocabulary).build())
    }

    /// The vocabulary of byte-level.json.
    static func byteLevel(_ preTokenizer: PreTokenizer) throws -> Vocabulary {
        let golden = try GoldenFile("byte-level.json")
        var vocabulary = Vocabulary(
            kind: .byteLevelBPE, texts: golden.texts,
            types: golden.types.compactMap { TokenType(rawValue: UInt8($0)) })
        vocabulary.preTokenizer = preTokenizer
        vocabulary.merges = try vocabulary.resolveMerges(golden.merges)
        let count = Int32(golden.texts.count)
        vocabulary.beginOfSequence = count - 2
        vocabulary.endOfSequence = count - 1
        vocabulary.endOfGeneration = [count - 1, count - 3]
        return vocabulary
    }

    /// A vocabulary of each kind.
    static func vocabulary(_ kind: TokenizerKind) throws -> Vocabulary {
        switch kind {
        case .byteLevelBPE: try byteLevel(.gpt2)
        case .sentencePieceBPE: try sentencePiece(spacePrefix: true)
        case .characterBPE: try characters()
        }
    }

    /// A few characters with merges, bytes and rules.
    static func characters() throws -> Vocabulary {
        let texts = ["<unk>", "<s>", "[x]", "▁", "a", "b", "ab", "▁ab", "é", "\n"]
        var vocabulary = Vocabulary(
            kind: .characterBPE,
            texts: texts
                + (0..<256).map { byte in
                    "<0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) + ">"
                },
            types: [.unknown, .control, .userDefined] + [TokenType](repeating: .normal, count: 7)
                + [TokenType](repeating: .byte, count: 256))
        vocabulary.merges = try vocabulary.resolveMerges(["a b", "▁ ab"])
        vocabulary.unknown = 0
        vocabulary.beginOfSequence = 1
        vocabulary.usesUnknown = true
        vocabulary.endOfGeneration = [1, 2]
        var rules = TokenizerRules()
        rules.normalizers = [.replace(" ", by: "▁"), .nfc]
        rules.preTokenizers = [.metaspace(mark: "▁", scheme: .first, splits: false)]
        rules.decoder.mark = "▁"
        rules.added = [AddedTokenRule(token: 2, flags: .stripsRight, normalizedText: "[x]")]
        vocabulary.rules = rules
        return vocabulary
    }

    /// The vocabulary of sentencepiece.json.
    static func sentencePiece(spacePrefix: Bool) throws -> Vocabulary {
        let golden = try GoldenFile("sentencepiece.json")
        var vocabulary = Vocabulary(
            kind: .sentencePieceBPE, texts: golden.texts,
            types: golden.types.compactMap { TokenType(rawValue: UInt8($0)) })
        vocabulary.scores = golden.scores
        vocabulary.addsSpacePrefix = spacePrefix
        vocabulary.unknown = 0
        vocabulary.beginOfSequence = 1
        vocabulary.endOfSequence = 2
        vocabulary.addsBeginOfSequence = true
        vocabulary.endOfGeneration = [2]
        return vocabulary
    }
}
