// SPDX-License-Identifier: Apache-2.0
// The meaning of names: pre-tokenizers by GGUF's `tokenizer.ggml.pre`, end-of-generation tokens by their texts.

import Tokenization

/// The properties of a byte-level tokenizer that its pre-tokenizer's name implies.
struct PreTokenizerTraits {
    var preTokenizer: PreTokenizer
    var ignoresMerges = false
    var addsBeginOfSequence = false
}

/// The meaning of a name in `tokenizer.ggml.pre`.
///
/// - Parameter name: nil if the file has none, which means `default`.
/// - Throws: for an unknown name: a wrong guess would silently degrade the model.
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

/// Texts of tokens that end generation in some family, regardless of the file's other settings.
private let endOfGenerationTexts: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
    "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
]

/// Texts of tokens for padding, a repository's name or a file's end in fill-in-the-middle models. They end generation too; of
/// each group only the first token in the vocabulary counts.
private let fillInEndTexts: [[String]] = [
    ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
    ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
    ["<|file_sep|>"],
]

/// Collects the tokens that end generation and makes them control tokens, so that text cannot contain them.
///
/// - Parameter stated: the ids that the file itself names.
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
    // Models with channels use `<|end|>` between channels and stop at other tokens.
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
