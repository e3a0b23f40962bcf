// SPDX-License-Identifier: Apache-2.0
// MiniCPM (arXiv 2404.06395) and MiniCPM 4 (arXiv 2506.07900), dense: a Llama with three scalars, on embeddings, residual updates
// and logits. MiniCPM 4 has LongRoPE without a factor on sines and cosines.

import Formats
import Glibc

enum MiniCPM: ModelFamily {
    static let name = "minicpm"
    static let architectures = ["minicpm"]
    static let modelTypes = ["minicpm"]
    static let interleavesHeadsInGGUF = true

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(
            Self.self, meant: ["embedding_scale", "residual_scale", "logit_scale"])
        // Old files leave the scalars out, and programs differ in what they take instead.
        configuration.embeddingScale = try parameters.float("embedding_scale")
        configuration.logitScale = try 1 / parameters.float("logit_scale")
        let residualScale = try parameters.float("residual_scale")
        configuration.forEachLayer { $0.residualScale = residualScale }
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        if let experts = try text.optionalInteger("num_experts"), experts != 0 {
            throw text.refusal("num_experts", "\(experts)", expected: "0: mixtures are not supported")
        }
        if let sparse = text["sparse_config"] {
            throw text.refusal("sparse_config", sparse.kindName, expected: "null: attention sees all tokens")
        }
        var configuration = try parameters.uniform(
            Self.self, isTied: true,
            rotary: parameters.rotary(headSize: parameters.headSize(), hasLongRoPE: true))
        try requireOneLength(of: configuration, text)
        func number(_ key: String) throws -> Double {
            try text.optional(key, "a number") { $0.doubleValue } ?? 1
        }
        configuration.embeddingScale = Float(try number("scale_emb"))
        configuration.logitScale =
            try 1 / Float(Double(configuration.hiddenSize) / number("dim_model_base"))
        let residualScale = Float(try number("scale_depth") / Double(configuration.layerCount).squareRoot())
        configuration.forEachLayer { $0.residualScale = residualScale }
        return configuration
    }

    /// LongRoPE's factor on sines and cosines is 1 where both lengths are one, as in all published models. The published code
    /// does not choose the short factors where they differ.
    private static func requireOneLength(of configuration: ModelConfiguration, _ text: JSONSection) throws {
        guard case .longRoPE(let length, let factor) = configuration.rotaries[0].scaling else { return }
        guard length == configuration.contextLength, factor == 1 else {
            throw text.refusal(
                "max_position_embeddings", "\(configuration.contextLength)",
                expected: "\(length), as original_max_position_embeddings, without other factors of LongRoPE")
        }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(MiniCPM.self, to: $0) }
