// SPDX-License-Identifier: Apache-2.0
// Qwen 2 and 2.5 (arXiv 2407.10671): biases on query, key and value, none on the output projection.

import Formats

enum Qwen2: ModelFamily {
    static let name = "qwen2"
    static let architectures = ["qwen2"]
    static let modelTypes = ["qwen2"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        try parameters.uniform(Self.self)
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self, defaults: ["num_key_value_heads": 32])
        configuration.forEachLayer {
            $0.attention?.hasBias = true
            $0.attention?.hasOutputBias = false
        }
        try parameters.setSwitchedWindows(in: &configuration)
        return configuration
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Qwen2.self, to: $0) }
