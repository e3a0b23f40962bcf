// SPDX-License-Identifier: Apache-2.0
// Vocabularies out of GGUF metadata: defaults where it is silent, errors where it makes no sense.

import Conversion
import Formats
import Testing
import Tokenization

/// A vocabulary of four tokens, changed by `edit` before it is imported.
private func imported(
    model: String = "gpt2", pre: String? = "smollm", texts: [String] = ["a", "b", "ab", "<|im_end|>"],
    edit: (inout GGUFWriter) -> Void = { _ in }
) throws -> Vocabulary {
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", .string(model))
    if let pre { writer.set("tokenizer.ggml.pre", .string(pre)) }
    writer.set("tokenizer.ggml.tokens", .strings(texts))
    if model == "gpt2" { writer.set("tokenizer.ggml.merges", .strings(["a b"])) }
    edit(&writer)
    return try importTokenizer(from: GGUFFile(bytes: ByteView(copying: writer.bytes())))
}

@Test func defaultsAreThoseOfTheFamilies() throws {
    let plain = try imported()
    #expect(plain.kind == .byteLevelBPE && plain.preTokenizer == .smollm)
    #expect(!plain.addsBeginOfSequence && !plain.addsEndOfSequence && !plain.ignoresMerges)
    #expect(plain.merges == [Merge(left: 0, right: 1)])
    // A text that ends turns makes an end and a control token, whatever the file says.
    #expect(plain.endOfGeneration == [3] && plain.types[3] == .control)

    let llama = try imported(pre: "llama-bpe") { $0.set("tokenizer.ggml.bos_token_id", .uint32(2)) }
    #expect(llama.preTokenizer == .llama3 && llama.ignoresMerges && llama.addsBeginOfSequence)
    #expect(try imported(pre: nil).preTokenizer == .fallback)

    let sentencePiece = try imported(model: "llama", pre: "default", texts: ["<unk>", "<s>", "</s>", "▁a"]) {
        $0.set("tokenizer.ggml.scores", .floats([0, 0, 0, -1]))
        $0.set("tokenizer.ggml.token_type", .integers([2, 3, 3, 1]))
    }
    #expect(sentencePiece.kind == .sentencePieceBPE && sentencePiece.addsSpacePrefix)
    #expect(sentencePiece.addsBeginOfSequence && sentencePiece.beginOfSequence == 1)
    #expect(sentencePiece.endOfGeneration == [2] && sentencePiece.unknown == 0)
    #expect(
        try TestTokenizers.open(sentencePiece).encode("a", addSpecial: true, parseSpecial: true) == [1, 3])
}

@Test func statedValuesWinOverDefaults() throws {
    let vocabulary = try imported(pre: "llama3") {
        $0.set("tokenizer.ggml.add_bos_token", .bool(false))
        $0.set("tokenizer.ggml.add_eos_token", .bool(true))
        $0.set("tokenizer.ggml.eos_token_id", .uint32(1))
        $0.set("tokenizer.ggml.eot_token_id", .uint32(2))
        $0.set("tokenizer.ggml.padding_token_id", .uint32(99))
        $0.set("tokenizer.ggml.token_type", .integers([1, 4, 0, 3]))
    }
    #expect(!vocabulary.addsBeginOfSequence && vocabulary.addsEndOfSequence)
    #expect(vocabulary.endOfSequence == 1 && vocabulary.padding == nil)
    #expect(vocabulary.endOfGeneration == [1, 2, 3])
    #expect(vocabulary.types == [.normal, .userDefined, .unused, .control])
}

@Test func impossibleMetadataIsRefused() throws {
    func key(_ body: () throws -> Vocabulary) -> String? {
        do {
            _ = try body()
            return nil
        } catch let error as TokenizerImportError {
            return error.key
        } catch {
            return "\(error)"
        }
    }
    #expect(key { try imported(model: "bert") } == "tokenizer.ggml.model")
    #expect(key { try imported(pre: "poro-chat") } == "tokenizer.ggml.pre")
    #expect(key { try imported(pre: "llama3") } == "tokenizer.ggml.bos_token_id")
    #expect(
        key { try imported { $0.set("tokenizer.ggml.add_eos_token", .bool(true)) } }
            == "tokenizer.ggml.eos_token_id")
    #expect(
        key { try imported { $0.set("tokenizer.ggml.token_type", .integers([1])) } }
            == "tokenizer.ggml.token_type")
    #expect(key { try imported(model: "llama") } == "tokenizer.ggml.scores")
    #expect(
        key { try importTokenizer(from: GGUFFile(bytes: ByteView(copying: GGUFWriter().bytes()))) }
            == "tokenizer.ggml.model")
    #expect(throws: TokenizerError.self) {
        try imported(texts: ["a", "ab", "<|im_end|>"])
    }
}
