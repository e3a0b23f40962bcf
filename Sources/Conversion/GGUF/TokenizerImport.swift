// SPDX-License-Identifier: Apache-2.0
// Imports a vocabulary from a GGUF file's metadata, with llama.cpp's defaults for missing keys (llama-vocab.cpp,
// `llama_vocab::impl::load`), so that both tokenize equally.

import Formats
import Tokenization

/// A description of a tokenizer in a GGUF file that cannot be used.
package struct TokenizerImportError: Error, Equatable, CustomStringConvertible {
    /// The metadata key.
    package let key: String
    package let found: String
    package let expected: String

    package var description: String { "GGUF metadata '\(key)' is \(found), expected \(expected)" }
}

/// The vocabulary of a GGUF file: byte-level BPE (`gpt2`) or SentencePiece BPE (`llama`).
///
/// - Throws: `TokenizerImportError` for a tokenizer of another kind, an unknown pre-tokenizer or missing lists; `TokenizerError`
///   if merges do not match the tokens.
package func importTokenizer(from file: GGUFFile) throws -> Vocabulary {
    let metadata = TokenizerMetadata(file.metadata)
    let model = try metadata.string("model")
    let texts = try metadata.texts("tokens")
    var vocabulary: Vocabulary
    switch model {
    case "gpt2":
        vocabulary = Vocabulary(
            kind: .byteLevelBPE, texts: texts, types: try metadata.types(count: texts.count))
        let traits = try preTokenizerTraits(metadata.optionalString("pre"))
        vocabulary.preTokenizer = traits.preTokenizer
        vocabulary.ignoresMerges = traits.ignoresMerges
        vocabulary.addsBeginOfSequence = traits.addsBeginOfSequence
        vocabulary.merges = try vocabulary.resolveMerges(metadata.texts("merges"))
    case "llama":
        vocabulary = Vocabulary(
            kind: .sentencePieceBPE, texts: texts, types: try metadata.types(count: texts.count))
        vocabulary.scores = try metadata.scores(count: texts.count)
        vocabulary.addsBeginOfSequence = true
        vocabulary.addsSpacePrefix = metadata.bool("add_space_prefix") ?? true
        // SentencePiece's own ids for these tokens.
        vocabulary.beginOfSequence = texts.count > 1 ? 1 : nil
        vocabulary.endOfSequence = texts.count > 2 ? 2 : nil
        vocabulary.unknown = 0
    default:
        throw TokenizerImportError(
            key: "tokenizer.ggml.model", found: "'\(model)'", expected: "'gpt2' or 'llama'")
    }
    setSpecialTokens(of: &vocabulary, metadata)
    if vocabulary.addsBeginOfSequence && vocabulary.beginOfSequence == nil {
        throw TokenizerImportError(
            key: "tokenizer.ggml.bos_token_id", found: "missing",
            expected: "a token, because it is to be added")
    }
    if vocabulary.addsEndOfSequence && vocabulary.endOfSequence == nil {
        throw TokenizerImportError(
            key: "tokenizer.ggml.eos_token_id", found: "missing",
            expected: "a token, because it is to be added")
    }
    return vocabulary
}

private func setSpecialTokens(of vocabulary: inout Vocabulary, _ metadata: TokenizerMetadata) {
    let count = vocabulary.texts.count
    vocabulary.beginOfSequence = metadata.token("bos_token_id", count: count) ?? vocabulary.beginOfSequence
    vocabulary.endOfSequence = metadata.token("eos_token_id", count: count) ?? vocabulary.endOfSequence
    vocabulary.unknown = metadata.token("unknown_token_id", count: count) ?? vocabulary.unknown
    vocabulary.padding = metadata.token("padding_token_id", count: count)
    vocabulary.addsBeginOfSequence = metadata.bool("add_bos_token") ?? vocabulary.addsBeginOfSequence
    vocabulary.addsEndOfSequence = metadata.bool("add_eos_token") ?? false
    var stated: [Int32] = []
    for key in [
        "eos_token_id", "eot_token_id", "eom_token_id", "fim_pad_token_id", "fim_rep_token_id",
        "fim_sep_token_id",
    ] {
        if let id = metadata.token(key, count: count) { stated.append(id) }
    }
    if let id = vocabulary.endOfSequence { stated.append(id) }
    markEndOfGeneration(in: &vocabulary, stated: stated)
}

/// Typed access to the keys `tokenizer.ggml.…`.
private struct TokenizerMetadata {
    private let metadata: GGUFMetadata

    init(_ metadata: GGUFMetadata) { self.metadata = metadata }

    private func error(_ name: String, found: String, expected: String) -> TokenizerImportError {
        TokenizerImportError(key: "tokenizer.ggml." + name, found: found, expected: expected)
    }

    private subscript(name: String) -> GGUFValue? { metadata["tokenizer.ggml." + name] }

    private func present(_ name: String) throws(TokenizerImportError) -> GGUFValue {
        guard let value = self[name] else { throw error(name, found: "missing", expected: "present") }
        return value
    }

    func string(_ name: String) throws(TokenizerImportError) -> String {
        guard let string = try present(name).string else {
            throw error(name, found: "of another type", expected: "a string")
        }
        return string
    }

    func optionalString(_ name: String) throws(TokenizerImportError) -> String? {
        self[name] == nil ? nil : try string(name)
    }

    func bool(_ name: String) -> Bool? { self[name]?.bool }

    /// A token id; ids outside the vocabulary are ignored, as in other readers.
    func token(_ name: String, count: Int) -> Int32? {
        guard let id = self[name]?.integer, (0..<count).contains(id) else { return nil }
        return Int32(exactly: id)
    }

    func texts(_ name: String) throws(TokenizerImportError) -> [String] {
        guard let strings = try present(name).strings else {
            throw error(name, found: "of another type", expected: "an array of strings")
        }
        // Checked before any work is done on them.
        guard strings.count <= TokenizerBuilder.maximumCount else {
            throw error(
                name, found: "an array of \(strings.count)",
                expected: "at most \(TokenizerBuilder.maximumCount) strings")
        }
        return strings.map { String(decoding: $0, as: UTF8.self) }
    }

    func scores(count: Int) throws(TokenizerImportError) -> [Float] {
        guard let scores = try present("scores").floats, scores.count == count else {
            throw error("scores", found: "of another type or length", expected: "\(count) numbers")
        }
        return scores
    }

    /// Token types; all normal if the file has none. Undefined types (0) count as unused.
    func types(count: Int) throws(TokenizerImportError) -> [TokenType] {
        guard let value = self["token_type"] else { return [TokenType](repeating: .normal, count: count) }
        guard let numbers = value.integers, numbers.count == count else {
            throw error("token_type", found: "of another type or length", expected: "\(count) integers")
        }
        return numbers.map { UInt8(exactly: $0).flatMap(TokenType.init(rawValue:)) ?? .unused }
    }
}
