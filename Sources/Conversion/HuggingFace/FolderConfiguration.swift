// SPDX-License-Identifier: Apache-2.0
// From `config.json` to a model's configuration. What a file leaves out has the value that transformers gives it.

import Formats
import JSON

extension ModelConfiguration {
    /// Reads the hyper-parameters of a model folder.
    ///
    /// - Parameter hasHead: whether the weights have an output matrix of their own.
    /// - Throws: `ConversionError` for families that are not supported, members that are missing or of the wrong
    ///   type, and settings that the forward pass does not know.
    init(folder: ModelFolder, hasHead: Bool) throws {
        let keys = try FolderKeys(folder.text)
        for settings in folder.text.path.isEmpty ? [folder.text] : [folder.config, folder.text] {
            try settings.refuseOtherAttention()
        }
        let (family, text) = (keys.family, folder.text)
        let isGemma = family == .gemma3
        let hiddenSize = try keys.integer("hidden_size", gemma: 2304)
        let layerCount = try keys.integer("num_hidden_layers", gemma: 26)
        let headCount = try keys.integer("num_attention_heads", gemma: 8)
        let headSize = try keys.headSize(hiddenSize: hiddenSize, headCount: headCount)
        let contextLength = try keys.integer("max_position_embeddings", gemma: 131_072)
        let rope = try FolderRope(text, family: family, contextLength: contextLength)
        let window = try FolderWindow(text, family: family, layerCount: layerCount)
        let hasBias = try text.optionalBool("attention_bias") ?? false
        // Of a model around the language model its own member counts.
        let isTied = try folder.config.optionalBool("tie_word_embeddings")
        self.init(
            family: family,
            vocabularySize: try keys.integer("vocab_size", gemma: 262_208),
            hiddenSize: hiddenSize,
            intermediateSize: try keys.integer("intermediate_size", gemma: 9216),
            layerCount: layerCount,
            headCount: headCount,
            keyValueHeadCount: try keys.keyValueHeadCount(headCount: headCount),
            headSize: headSize,
            contextLength: contextLength,
            rmsNormEpsilon: try text.optionalFloat("rms_norm_eps") ?? 1e-6,
            ropeTheta: rope.theta,
            ropeScaling: rope.scaling,
            localRopeTheta: window.size == nil ? nil : rope.localTheta,
            slidingWindow: window.size,
            slidingWindowPattern: window.pattern,
            embeddingScale: isGemma ? Float(hiddenSize).squareRoot() : 1,
            attentionScale: try keys.attentionScale(headSize: headSize),
            gateActivation: isGemma ? .geluTanh : .silu,
            // Without a matrix of its own there is nothing else that the head could be.
            hasTiedEmbeddings: isTied ?? (isGemma || !hasHead),
            hasQueryKeyNorm: family == .gemma3 || family == .qwen3,
            hasAttentionBias: family == .qwen2 || hasBias,
            hasAttentionOutputBias: family != .qwen2 && hasBias,
            hasPostNorms: isGemma,
            finalLogitSoftcap: isGemma ? try text.optionalFloat("final_logit_softcapping") : nil)
    }
}

/// Members of `config.json` under the rules of one family.
private struct FolderKeys {
    let text: Settings
    private let modelType: String
    let family: ModelConfiguration.Family

    init(_ text: Settings) throws {
        let families: [String: ModelConfiguration.Family] = [
            "llama": .llama, "mistral": .llama, "qwen2": .qwen2, "qwen3": .qwen3, "gemma3_text": .gemma3,
        ]
        let name = try text.string("model_type")
        guard let family = families[name] else {
            throw text.refusal(
                "model_type", "'\(name)'",
                expected: "one of \(families.keys.sorted().joined(separator: ", "))")
        }
        self.text = text
        modelType = name
        self.family = family
        try refuseUnsupported()
    }

    /// Settings that would change what is computed.
    private func refuseUnsupported() throws {
        let key = family == .gemma3 ? "hidden_activation" : "hidden_act"
        let activations = family == .gemma3 ? ["gelu_pytorch_tanh"] : ["silu", "swish"]
        if let activation = try text.optionalString(key), !activations.contains(activation) {
            throw text.refusal(key, "'\(activation)'", expected: activations[0])
        }
        if try text.optionalBool("mlp_bias") == true {
            throw text.refusal("mlp_bias", "true", expected: "false: nothing else is supported")
        }
        // transformers' Mistral has no biases, whatever its settings say.
        if modelType == "mistral", try text.optionalBool("attention_bias") == true {
            throw text.refusal("attention_bias", "true", expected: "false for a mistral")
        }
        if let factor = try text.optionalFloat("partial_rotary_factor"), factor != 1 {
            throw text.refusal("partial_rotary_factor", "\(factor)", expected: "1: RoPE over the whole head")
        }
        if family == .gemma3, let cap = try text.optionalFloat("attn_logit_softcapping") {
            throw text.refusal("attn_logit_softcapping", "\(cap)", expected: "null")
        }
        if let quantization = text["quantization_config"] ?? text["compression_config"] {
            let method = quantization["quant_method"]?.stringValue ?? "unknown"
            throw text.refusal("quantization_config", "of the method '\(method)'", expected: "none")
        }
    }

    /// Gemma's settings in a model with images leave out what is the default; others always say it.
    func integer(_ key: String, gemma: Int) throws -> Int {
        try family == .gemma3 ? text.optionalInteger(key) ?? gemma : text.integer(key)
    }

    func headSize(hiddenSize: Int, headCount: Int) throws -> Int {
        guard headCount > 0 else {
            throw text.refusal("num_attention_heads", "\(headCount)", expected: "at least 1")
        }
        if let size = try text.optionalInteger("head_dim") { return size }
        switch family {
        case .gemma3: return 256
        case .qwen3: return 128
        case .llama, .qwen2: return hiddenSize / headCount
        }
    }

    func keyValueHeadCount(headCount: Int) throws -> Int {
        if let count = try text.optionalInteger("num_key_value_heads") {
            guard count > 0 else {
                throw text.refusal("num_key_value_heads", "\(count)", expected: "at least 1")
            }
            return count
        }
        if family == .gemma3 { return 4 }
        // Null is as many as queries have; what is left out has the family's default.
        if text.holds("num_key_value_heads") { return headCount }
        switch modelType {
        case "mistral": return 8
        case "qwen2", "qwen3": return 32
        default: return headCount
        }
    }

    /// Gemma says by what number's root queries are divided.
    func attentionScale(headSize: Int) throws -> Float {
        guard family == .gemma3 else { return 1 / Float(max(headSize, 1)).squareRoot() }
        let scalar = try text.optionalFloat("query_pre_attn_scalar") ?? 256
        guard scalar > 0 else {
            throw text.refusal("query_pre_attn_scalar", "\(scalar)", expected: "a positive number")
        }
        return 1 / scalar.squareRoot()
    }
}

extension Settings {
    /// Refuses what lets tokens see others than those before them, and layers that differ from each other.
    fileprivate func refuseOtherAttention() throws {
        // Null is not the default here: transformers takes it for false.
        if let isCausal = object["is_causal"], isCausal.boolValue != true {
            throw refusal(
                "is_causal", isCausal.boolValue == false ? "false" : isCausal.kindName,
                expected: "true: every token sees those before it alone")
        }
        if try optionalBool("use_bidirectional_attention") == true {
            throw refusal(
                "use_bidirectional_attention", "true",
                expected: "false: every token sees those before it alone")
        }
        if let layers = self["per_layer_config"], layers != [:] {
            throw refusal("per_layer_config", layers.kindName, expected: "nothing: all layers are alike")
        }
    }
}
