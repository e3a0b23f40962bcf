// SPDX-License-Identifier: Apache-2.0
// Gemma 3, text (arXiv 2503.19786): norms before and after each half of a layer, a norm on each head's query and key, embeddings
// times √hiddenSize, and five layers with sliding-window attention for each with full attention. Layers with a window keep base
// 10,000 without scaling (§2).

import Formats

enum Gemma3: ModelFamily {
    static let name = "gemma3"
    static let architectures = ["gemma3"]
    static let modelTypes = ["gemma3_text"]
    /// Folders store the gains minus 1.
    static let normOffsetInFolder: Float = 1
    /// Text-only models have the tokenizer of the models with images.
    static let tokensWithoutRow: Set = ["<image_soft_token>"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self)
        complete(&configuration)
        configuration.finalLogitSoftcap = try parameters.optionalFloat("final_logit_softcapping")
            .flatMap { $0 == 0 ? nil : $0 }
        // GGUF does not say so of the largest model.
        if configuration.layerCount == 62 { try parameters.scaleQueriesByWidth(in: &configuration) }
        guard try parameters.setWindows(in: &configuration, usualStep: 6) else { return configuration }
        addLocalRotary(try parameters.optionalFloat("rope.freq_base_swa") ?? 10_000, to: &configuration)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        // In a model with images the settings leave out default values.
        let defaults = [
            "hidden_size": 2304, "num_hidden_layers": 26, "num_attention_heads": 8, "head_dim": 256,
            "num_key_value_heads": 4, "max_position_embeddings": 131_072, "vocab_size": 262_208,
            "intermediate_size": 9216,
        ]
        if let cap = try text.optionalFloat("attn_logit_softcapping") {
            throw text.refusal("attn_logit_softcapping", "\(cap)", expected: "null")
        }
        let rotary = try RotaryByLayerType(
            parameters, defaults: defaults, theta: text.optionalFloat("rope_theta") ?? 1_000_000,
            slidingTheta: text.optionalFloat("rope_local_base_freq") ?? 10_000)
        var configuration = try parameters.uniform(
            Self.self, defaults: defaults, activation: .geluTanh, isTied: true, rotary: rotary.full)
        if text["num_key_value_heads"] == nil { configuration.keyValueHeadCount = 4 }
        complete(&configuration)
        configuration.finalLogitSoftcap = try text.optionalFloat("final_logit_softcapping")
        try parameters.setQueryScalar(in: &configuration)
        let isSliding =
            try parameters.slidingLayers(layerCount: configuration.layerCount)
            ?? usualSlidingLayers(text, layerCount: configuration.layerCount)
        try parameters.setWindows(isSliding, in: &configuration)
        if isSliding.contains(true) { addLocalRotary(rotary.sliding.theta, to: &configuration) }
        return configuration
    }

    /// Settings that neither kind of source states.
    private static func complete(_ configuration: inout ModelConfiguration) {
        configuration.embeddingScale = Float(configuration.hiddenSize).squareRoot()
        configuration.forEachLayer {
            $0.attention?.queryKeyNorm = .perHead
            $0.feedForward.activation = .geluTanh
            $0.norms = .both
        }
    }

    /// All layers but every n-th.
    private static func usualSlidingLayers(_ text: JSONSection, layerCount: Int) throws -> [Bool] {
        let pattern = try text.optionalInteger("sliding_window_pattern", atLeast: 1) ?? 6
        return (1...layerCount).map { $0 % pattern != 0 }
    }

    /// Layers with a window have their own base.
    private static func addLocalRotary(_ theta: Float, to configuration: inout ModelConfiguration) {
        configuration.rotaries.append(RotaryPlan(theta: theta, rotatedSize: configuration.headSize))
        configuration.forEachLayer { if $0.attention?.window != nil { $0.attention?.rotary = 1 } }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Gemma3.self, to: $0) }
