// SPDX-License-Identifier: Apache-2.0
// ERNIE 4.5, dense (github.com/PaddlePaddle/ERNIE): a Llama whose RoPE pairs neighbouring elements of a head, in folders as well as
// in GGUF.

import Formats

enum Ernie: ModelFamily {
    static let name = "ernie4_5"
    static let architectures = ["ernie4_5"]
    static let modelTypes = ["ernie4_5"]
    static let interleavesHeadsInGGUF = true
    static let interleavesHeadsInFolder = true

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        try parameters.uniform(Self.self)
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        // Biases of all matrices, the feed-forward network's included.
        if try text.optionalBool("use_bias") == true {
            throw text.refusal("use_bias", "true", expected: "false: nothing else is supported")
        }
        var defaults = ["num_key_value_heads": 2]
        // Null means the hidden size divided by the heads, and a missing member means the default.
        if !text.holds("head_dim") { defaults["head_dim"] = 128 }
        return try parameters.uniform(
            Self.self, defaults: defaults, isTied: true, epsilon: 1e-5,
            rotary: parameters.rotary(headSize: parameters.headSize(defaults), theta: 500_000))
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Ernie.self, to: $0) }
