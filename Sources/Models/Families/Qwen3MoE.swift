// SPDX-License-Identifier: Apache-2.0
// Qwen 3 with mixtures of experts (arXiv 2505.09388), such as 30B-A3B: 8 of 128 experts compute a token.

import Formats

enum Qwen3MoE: ModelFamily {
    static let name = "qwen3moe"
    static let architectures = ["qwen3moe"]
    static let modelTypes = ["qwen3_moe"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self, meant: ["expert_count"])
        // llama.cpp's graph of this architecture always divides the weights by their sum.
        let experts = try parameters.experts(normalizesWeights: true)
        configuration.forEachLayer {
            $0.attention?.queryKeyNorm = .perHead
            $0.feedForward.experts = experts
        }
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        var configuration = try parameters.uniform(
            Self.self, defaults: ["num_key_value_heads": 4, "intermediate_size": 6144])
        let experts = try parameters.experts(
            countKeys: ["num_experts", "num_local_experts"], sizeKey: "moe_intermediate_size",
            defaults: ["num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768],
            normalizesWeights: text.optionalBool("norm_topk_prob") ?? false)
        let step = try text.optionalInteger("decoder_sparse_step", atLeast: 1) ?? 1
        let dense = Set(try text.optionalArray("mlp_only_layers")?.compactMap(\.intValue) ?? [])
        for layer in configuration.layers.indices {
            configuration.layers[layer].attention?.queryKeyNorm = .perHead
            if experts.count > 0, (layer + 1) % step == 0, !dense.contains(layer) {
                configuration.layers[layer].feedForward.experts = experts
            }
        }
        try parameters.setSwitchedWindows(in: &configuration)
        return configuration
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Qwen3MoE.self, to: $0) }
