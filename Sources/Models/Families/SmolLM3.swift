// SPDX-License-Identifier: Apache-2.0
// SmolLM3 (huggingface.co/blog/smollm3): a Llama without RoPE in every fourth layer (NoPE).

import Formats

enum SmolLM3: ModelFamily {
    static let name = "smollm3"
    static let architectures = ["smollm3"]
    static let modelTypes = ["smollm3"]
    static let interleavesHeadsInGGUF = true

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self)
        // llama.cpp supports no other step.
        leaveOutRotary(every: 4, in: &configuration)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        var configuration = try parameters.uniform(
            Self.self, defaults: ["num_key_value_heads": 4], isTied: true,
            rotary: parameters.rotary(headSize: parameters.headSize(), theta: 2_000_000))
        if let rotates = try text.optionalArray("no_rope_layers") {
            // 1 marks layers that rotate, in spite of the name; more flags than layers are legal.
            let flags = rotates.map(\.intValue)
            guard flags.count >= configuration.layerCount, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
                throw text.refusal(
                    "no_rope_layers", "\(flags.count) elements",
                    expected: "0 or 1 for each of \(configuration.layerCount) layers")
            }
            for layer in configuration.layers.indices where flags[layer] == 0 {
                configuration.layers[layer].attention?.rotary = nil
            }
        } else {
            let step = try text.optionalInteger("no_rope_layer_interval", atLeast: 1) ?? 4
            leaveOutRotary(every: step, in: &configuration)
        }
        try setWindows(text, parameters, in: &configuration)
        return configuration
    }

    private static func leaveOutRotary(every step: Int, in configuration: inout ModelConfiguration) {
        for layer in configuration.layers.indices where (layer + 1) % step == 0 {
            configuration.layers[layer].attention?.rotary = nil
        }
    }

    /// If windows are switched on, they apply to the layers without RoPE unless `layer_types` selects others.
    private static func setWindows(
        _ text: JSONSection, _ parameters: HuggingFaceParameters, in configuration: inout ModelConfiguration
    ) throws {
        guard try text.optionalBool("use_sliding_window") == true, text["sliding_window"] != nil else {
            return try parameters.requireLayerTypes("full_attention")
        }
        let isSliding =
            try parameters.slidingLayers(layerCount: configuration.layerCount)
            ?? configuration.layers.map { $0.attention?.rotary == nil }
        try parameters.setWindows(isSliding, in: &configuration)
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(SmolLM3.self, to: $0) }
