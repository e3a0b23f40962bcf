// SPDX-License-Identifier: Apache-2.0
// What names imply: pre-tokenizers by GGUF's `tokenizer.ggml.pre`, ends of generation by the tokens' texts.

import Tokenization

/// What the name of a pre-tokenizer says about a byte-level tokenizer.
struct PreTokenizerTraits {
    var preTokenizer: PreTokenizer
    var ignoresMerges = false
    var addsBeginOfSequence = false
}

/// The meaning of a name in `tokenizer.ggml.pre`.
///
/// - Parameter name: nil when the file has none, which means `default`.
/// - Throws: when the name is not known: a wrong guess would quietly degrade the model.
func preTokenizerTraits(_ name: String?) throws(TokenizerImportError) -> PreTokenizerTraits {
    switch name ?? "default" {
    case "default", "":
        PreTokenizerTraits(preTokenizer: .fallback)
    case "llama-bpe", "llama-v3", "llama3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2":
        PreTokenizerTraits(preTokenizer: .llama3, ignoresMerges: true, addsBeginOfSequence: true)
    case "smaug-bpe", "dbrx", "chatglm-bpe":
        PreTokenizerTraits(preTokenizer: .llama3)
    case "glm4", "glm5":
        PreTokenizerTraits(preTokenizer: .llama3, ignoresMerges: true)
    case "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open",
        "grok-2":
        PreTokenizerTraits(preTokenizer: .qwen2)
    case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2":
        PreTokenizerTraits(preTokenizer: .smollm)
    case "gpt-2", "phi-2", "mpt", "olmo", "jais", "exaone4", "trillion", "granite-docling", "gigachat",
        "mellum":
        PreTokenizerTraits(preTokenizer: .gpt2)
    case "tekken":
        PreTokenizerTraits(preTokenizer: .tekken, ignoresMerges: true, addsBeginOfSequence: true)
    case "deepseek-coder":
        PreTokenizerTraits(preTokenizer: .deepseekCoder)
    case let other:
        throw TokenizerImportError(
            key: "tokenizer.ggml.pre", found: "'\(other)'",
            expected: "a pre-tokenizer of the Llama, SmolLM, Mistral, Qwen or GPT-2 families")
    }
}

/// Texts of tokens after which models of some family stop, whatever else the file says.
private let endOfGenerationTexts: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
    "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
]

/// Texts that stand for padding, a repository's name or a file's end when a model fills in code. Generation
/// stops there too; of each group only the first token that the vocabulary has is meant.
private let fillInEndTexts: [[String]] = [
    ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
    ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
    ["<|file_sep|>"],
]

/// Collects the tokens that end generation and makes them control tokens, so that text cannot contain them.
///
/// - Parameter stated: the ids that the file names itself.
func markEndOfGeneration(in vocabulary: inout Vocabulary, stated: [Int32]) {
    var ends = Set(stated)
    for (id, text) in vocabulary.texts.enumerated() where endOfGenerationTexts.contains(text) {
        ends.insert(Int32(id))
        vocabulary.types[id] = .control
    }
    for group in fillInEndTexts {
        guard let id = vocabulary.texts.firstIndex(where: group.contains) else { continue }
        ends.insert(Int32(id))
        vocabulary.types[id] = .control
    }
    // Families that speak in channels use `<|end|>` between them and stop at other tokens.
    let texts = Set(ends.map { vocabulary.texts[Int($0)] })
    let isCalling = texts.contains("<|call|>") || texts.contains("<|calls|>")
    if isCalling && (texts.contains("<|return|>") || texts.contains("<|flush|>")),
        let end = ends.first(where: { vocabulary.texts[Int($0)] == "<|end|>" })
    {
        ends.remove(end)
        vocabulary.types[Int(end)] = .userDefined
    }
    vocabulary.endOfGeneration = ends.sorted()
}
