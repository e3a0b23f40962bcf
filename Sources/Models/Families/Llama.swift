// SPDX-License-Identifier: Apache-2.0
// Llama 2 and 3 (arXiv 2302.13971, 2407.21783) and models of the same architecture: SmolLM2, and Mistral, whose folders have a
// sliding window and defaults of their own.

import Formats

enum Llama: ModelFamily {
    static let name = "llama"
    static let architectures = ["llama"]
    static let modelTypes = ["llama", "mistral"]
    static let interleavesHeadsInGGUF = true

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        try parameters.uniform(Self.self, hasFactors: true)
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        guard parameters.modelType == "mistral" else {
            let configuration = try parameters.uniform(Self.self)
            try parameters.requireLayerTypes("full_attention")
            return configuration
        }
        // transformers' Mistral has no biases, regardless of its settings.
        if try text.optionalBool("attention_bias") == true {
            throw text.refusal("attention_bias", "true", expected: "false for a mistral")
        }
        var configuration = try parameters.uniform(Self.self, defaults: ["num_key_value_heads": 8])
        // The window applies to all layers: null means none, and a missing member means the default.
        let hasWindow = text["sliding_window"] != nil || !text.holds("sliding_window")
        try parameters.requireLayerTypes(hasWindow ? "sliding_attention" : "full_attention")
        try parameters.setWindows(configuration.layers.map { _ in hasWindow }, in: &configuration)
        return configuration
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Llama.self, to: $0) }
