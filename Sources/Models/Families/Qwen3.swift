// SPDX-License-Identifier: Apache-2.0
// Qwen 3, dense (arXiv 2505.09388): a norm on each head's query and key.

import Formats

enum Qwen3: ModelFamily {
    static let name = "qwen3"
    static let architectures = ["qwen3"]
    static let modelTypes = ["qwen3"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self)
        configuration.forEachLayer { $0.attention?.queryKeyNorm = .perHead }
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(
            Self.self, defaults: ["num_key_value_heads": 32, "head_dim": 128])
        configuration.forEachLayer { $0.attention?.queryKeyNorm = .perHead }
        try parameters.setSwitchedWindows(in: &configuration)
        return configuration
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Qwen3.self, to: $0) }
