// SPDX-License-Identifier: Apache-2.0
// OLMoE (arXiv 2409.02060): mixtures of experts in every layer, one norm for all heads' queries and one for all keys.

import Formats

enum Olmoe: ModelFamily {
    static let name = "olmoe"
    static let architectures = ["olmoe"]
    static let modelTypes = ["olmoe"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self, meant: ["expert_count"])
        complete(
            &configuration, try parameters.experts(sizeKey: "feed_forward_length", normalizesWeights: false))
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        if let limit = text["clip_qkv"] {
            throw text.refusal(
                "clip_qkv", "\(limit.doubleValue ?? .nan)", expected: "null: nothing is clipped")
        }
        var configuration = try parameters.uniform(Self.self, epsilon: 1e-5)
        complete(
            &configuration,
            try parameters.experts(
                countKeys: ["num_experts", "num_local_experts"], sizeKey: "intermediate_size",
                defaults: ["num_experts": 64, "num_experts_per_tok": 8],
                normalizesWeights: text.optionalBool("norm_topk_prob") ?? false))
        return configuration
    }

    private static func complete(
        _ configuration: inout ModelConfiguration, _ experts: LayerPlan.FeedForward.Experts
    ) {
        configuration.forEachLayer {
            $0.attention?.queryKeyNorm = .whole
            $0.feedForward.experts = experts
        }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Olmoe.self, to: $0) }
