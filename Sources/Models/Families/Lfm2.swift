// SPDX-License-Identifier: Apache-2.0
// LFM2 and LFM2.5, dense (arXiv 2511.23404): most layers mix tokens by a gated short convolution, the others by attention with a
// norm on each head's query and key.

import Formats

enum Lfm2: ModelFamily {
    static let name = "lfm2"
    static let architectures = ["lfm2"]
    static let modelTypes = ["lfm2"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        let key = "attention.head_count_kv"
        let counts = parameters.value(key)?.integers ?? []
        let layerCount = try parameters.integer("block_count", in: 1...1024)
        guard counts.count == layerCount, Set(counts).subtracting([0]).count <= 1 else {
            throw parameters.refusal(
                key, "\(counts)", expected: "a number for each of \(layerCount) layers, 0 or the same")
        }
        var configuration = try parameters.uniform(
            Self.self, keyValueHeadCount: counts.first { $0 != 0 } ?? 1)
        let width = try parameters.integer("shortconv.l_cache", in: 2...16)
        complete(&configuration, hasConvolution: counts.map { $0 == 0 }, width: width)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        if try text.optionalBool("conv_bias") == true {
            throw text.refusal("conv_bias", "true", expected: "false: nothing else is supported")
        }
        var configuration = try parameters.uniform(
            Self.self, defaults: ["num_key_value_heads": 8, "max_position_embeddings": 128_000],
            isTied: text.optionalBool("tie_embedding") ?? true,
            epsilon: 1e-5, epsilonKey: "norm_eps")
        configuration.intermediateSize = try intermediateSize(text)
        complete(
            &configuration,
            hasConvolution: try convolutions(parameters, layerCount: configuration.layerCount),
            width: try text.optionalInteger("conv_L_cache", in: 2...16) ?? 3)
        return configuration
    }

    /// Whether each layer has a convolution.
    private static func convolutions(_ parameters: HuggingFaceParameters, layerCount: Int) throws -> [Bool] {
        if let layers = try parameters.layers(of: "conv", layerCount: layerCount) { return layers }
        let attending = try parameters.text.optionalArray("full_attn_idxs")?.compactMap(\.intValue)
        return (0..<layerCount).map { attending?.contains($0) == false }
    }

    /// The feed-forward's width, which config.json gives before it is adjusted.
    private static func intermediateSize(_ text: JSONSection) throws -> Int {
        let sizes = 1...1_048_576
        var size =
            try text.optionalInteger("block_ff_dim", in: sizes)
            ?? text.integer("intermediate_size", in: sizes)
        guard try text.optionalBool("block_auto_adjust_ff_dim") ?? true else { return size }
        size = 2 * size / 3
        // Null means no factor, and a missing member the default, which is 1.
        if let factor = try text.optionalFloat("block_ffn_dim_multiplier", in: 1e-3...1e3) {
            size = Int(factor * Float(size))
        }
        let multiple = try text.optionalInteger("block_multiple_of", in: sizes) ?? 256
        return (size + multiple - 1) / multiple * multiple
    }

    private static func complete(
        _ configuration: inout ModelConfiguration, hasConvolution: [Bool], width: Int
    ) {
        for (layer, isConvolution) in hasConvolution.enumerated() {
            configuration.layers[layer].attention?.queryKeyNorm = .perHead
            if isConvolution { configuration.layers[layer].mixer = .convolution(.init(width: width)) }
        }
    }

    static func place(
        of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> TensorPlace {
        let name: String? =
            switch (role, format) {
            case (.outputNorm, .gguf): "token_embd_norm.weight"
            case (.outputNorm, .folder): "embedding_norm.weight"
            case (.attentionNorm, .folder): "operator_norm.weight"
            case (.feedForwardNorm, .folder): "ffn_norm.weight"
            case (.attentionOutput, .folder): "self_attn.out_proj.weight"
            case (.queryNorm, .folder): "self_attn.q_layernorm.weight"
            case (.keyNorm, .folder): "self_attn.k_layernorm.weight"
            case (.gate, .folder): "feed_forward.w1.weight"
            case (.up, .folder): "feed_forward.w3.weight"
            case (.down, .folder): "feed_forward.w2.weight"
            default: nil
            }
        return name.map { TensorPlace($0) } ?? usualPlace(of: role, in: format, configuration)
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Lfm2.self, to: $0) }
