// SPDX-License-Identifier: Apache-2.0
// Ministral 3 (mistral.ai/news/mistral-3): a Mistral with YaRN, whose queries grow with the logarithm of the position beyond the
// original context (as in Llama 4). GGUF has the same architecture for Mistral Small 3, without that growth.

import Formats

enum Ministral3: ModelFamily {
    static let name = "ministral3"
    static let architectures = ["mistral3"]
    static let modelTypes = ["ministral3"]
    static let interleavesHeadsInGGUF = true

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(
            Self.self,
            meant: [
                "attention.temperature_scale", "rope.scaling.yarn_log_multiplier",
                "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
            ])
        if case .yarn(let factor, let length, _, _, let usual) = configuration.rotaries[0].scaling {
            let weight = try parameters.optionalFloat("rope.scaling.yarn_log_multiplier") ?? 0
            configuration.rotaries[0].scaling = .yarn(
                factor: factor, originalContextLength: length,
                betaFast: try parameters.optionalFloat("rope.scaling.yarn_beta_fast") ?? 32,
                betaSlow: try parameters.optionalFloat("rope.scaling.yarn_beta_slow") ?? 1,
                attentionFactor: weight == 0
                    ? usual : yarnMagnitude(factor, weight: 1) / yarnMagnitude(factor, weight: weight))
        }
        let length = try parameters.optionalInteger("rope.scaling.original_context_length")
        setTemperature(
            try parameters.optionalFloat("attention.temperature_scale") ?? 0,
            length: length ?? configuration.contextLength, in: &configuration)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        let rope = try parameters.rotaryParameters()
        let headSize = try parameters.headSize(["head_dim": 128])
        let rotary = try rope == nil ? usualRotary(headSize) : parameters.rotary(headSize: headSize)
        var configuration = try parameters.uniform(
            Self.self, defaults: ["num_key_value_heads": 8, "head_dim": 128], epsilon: 1e-5, rotary: rotary)
        if let rope {
            let length = try text.optionalInteger("original_max_position_embeddings")
            setTemperature(
                try rope.float("llama_4_scaling_beta"),
                length: try length ?? rope.integer("original_max_position_embeddings"), in: &configuration)
        } else {
            setTemperature(0.1, length: 16_384, in: &configuration)
        }
        // The window applies to all layers; usually there is none.
        let hasWindow = text["sliding_window"] != nil
        try parameters.setWindows(configuration.layers.map { _ in hasWindow }, in: &configuration)
        return configuration
    }

    /// What transformers takes where the file says nothing about RoPE.
    private static func usualRotary(_ headSize: Int) -> RotaryPlan {
        RotaryPlan(
            theta: 1_000_000,
            scaling: .yarn(
                factor: 16, originalContextLength: 16_384, betaFast: 32, betaSlow: 1, attentionFactor: 1),
            rotatedSize: headSize)
    }

    private static func setTemperature(
        _ factor: Float, length: Int, in configuration: inout ModelConfiguration
    ) {
        guard factor != 0 else { return }
        configuration.forEachLayer { $0.attention?.temperature = .init(factor: factor, length: length) }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Ministral3.self, to: $0) }
