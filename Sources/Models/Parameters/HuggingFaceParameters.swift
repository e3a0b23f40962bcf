// SPDX-License-Identifier: Apache-2.0
// Hyper-parameters in `config.json`. Missing members have transformers' defaults.

import Formats
import JSON

/// The members of `config.json` that describe the language model.
package struct HuggingFaceParameters {
    /// The whole file.
    package let config: JSONSection
    /// The language model's part: the whole file, or one object of it.
    package let text: JSONSection
    /// `model_type`.
    package let modelType: String
    /// Whether the weights include an output matrix.
    let hasHead: Bool

    package init(config: JSONSection, text: JSONSection, hasHead: Bool) throws {
        (self.config, self.text, self.hasHead) = (config, text, hasHead)
        modelType = try text.string("model_type")
    }

    /// The model's configuration, as its family reads it.
    ///
    /// - Throws: `ConversionError` for members that are missing or have the wrong type, and for settings that the forward pass
    ///   does not support.
    package func configuration(_ family: any ModelFamily.Type) throws -> ModelConfiguration {
        for settings in text.path.isEmpty ? [text] : [config, text] { try settings.refuseOtherAttention() }
        return try family.configuration(folder: self)
    }

    /// The settings that most families share: identical layers, RoPE, a gated feed-forward network.
    ///
    /// - Parameters:
    ///   - defaults: integers that may be left out.
    ///   - activation: the gate's activation: its member, its names, and the function.
    ///   - isTied: whether head and embedding are tied if the file does not say.
    ///   - epsilonKey: the member of the norms' ε, which is `epsilon` if it is missing.
    ///   - rotary: RoPE, unless it is written in the usual way.
    package func uniform(
        _ family: any ModelFamily.Type, defaults: [String: Int] = [:], activation: GateActivation = .silu,
        isTied: Bool = false, epsilon: Float = 1e-6, epsilonKey: String = "rms_norm_eps",
        rotary: RotaryPlan? = nil
    ) throws -> ModelConfiguration {
        try refuseUnsupported(activation)
        let hiddenSize = try integer("hidden_size", defaults)
        let layerCount =
            try text.optionalInteger("num_hidden_layers", in: 1...1024)
            ?? integer("num_hidden_layers", defaults)
        let headCount = try integer("num_attention_heads", defaults)
        let headSize = try headSize(defaults)
        let hasBias = try text.optionalBool("attention_bias") ?? false
        let layer = LayerPlan(
            attention: .init(
                scale: 1 / Float(max(headSize, 1)).squareRoot(), hasBias: hasBias, hasOutputBias: hasBias),
            feedForward: .init(activation: activation.function))
        return ModelConfiguration(
            family: family.name, vocabularySize: try integer("vocab_size", defaults), hiddenSize: hiddenSize,
            intermediateSize: try integer("intermediate_size", defaults), headCount: headCount,
            keyValueHeadCount: try keyValueHeadCount(headCount: headCount, defaults), headSize: headSize,
            contextLength: try contextLength(defaults),
            rmsNormEpsilon: try text.optionalFloat(epsilonKey) ?? epsilon,
            // In a model that wraps the language model, the outer member counts. Without an output matrix the head can only be
            // the embedding.
            hasTiedEmbeddings: try config.optionalBool("tie_word_embeddings") ?? (isTied || !hasHead),
            rotaries: [try rotary ?? self.rotary(headSize: headSize)],
            layers: Array(repeating: layer, count: layerCount))
    }

    func integer(_ key: String, _ defaults: [String: Int]) throws -> Int {
        if let usual = defaults[key] { return try text.optionalInteger(key) ?? usual }
        return try text.integer(key)
    }

    /// The context length in training, in tokens.
    package func contextLength(_ defaults: [String: Int] = [:]) throws -> Int {
        try integer("max_position_embeddings", defaults)
    }

    /// Elements of a head.
    package func headSize(_ defaults: [String: Int] = [:]) throws -> Int {
        let headCount =
            try text.optionalInteger("num_attention_heads", atLeast: 1)
            ?? integer("num_attention_heads", defaults)
        return try text.optionalInteger("head_dim") ?? defaults["head_dim"]
            ?? integer("hidden_size", defaults) / headCount
    }

    private func keyValueHeadCount(headCount: Int, _ defaults: [String: Int]) throws -> Int {
        if let count = try text.optionalInteger("num_key_value_heads", atLeast: 1) { return count }
        // Null means one per query head (no GQA); a missing member has the family's default.
        return text.holds("num_key_value_heads") ? headCount : defaults["num_key_value_heads"] ?? headCount
    }

    /// Refuses settings that would change the computation.
    private func refuseUnsupported(_ activation: GateActivation) throws {
        if let name = try text.optionalString(activation.key), !activation.names.contains(name) {
            throw text.refusal(activation.key, "'\(name)'", expected: activation.names[0])
        }
        if try text.optionalBool("mlp_bias") == true {
            throw text.refusal("mlp_bias", "true", expected: "false: nothing else is supported")
        }
    }
}

extension HuggingFaceParameters {
    /// How a folder names the gate's activation.
    package struct GateActivation: Sendable {
        let key: String
        let names: [String]
        let function: LayerPlan.FeedForward.Activation

        package static let silu = GateActivation(
            key: "hidden_act", names: ["silu", "swish"], function: .silu)
        package static let geluTanh = GateActivation(
            key: "hidden_activation", names: ["gelu_pytorch_tanh"], function: .geluTanh)
    }
}

extension JSONSection {
    /// Refuses attention that is not causal, and layers that differ from each other.
    fileprivate func refuseOtherAttention() throws {
        // Null is not the default here: transformers treats it as false.
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
