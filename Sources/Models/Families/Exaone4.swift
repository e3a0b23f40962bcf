// SPDX-License-Identifier: Apache-2.0
// EXAONE 4 (arXiv 2507.11407): attention and feed-forward read the residual stream as it is, with norms on what they add to it,
// and a norm on each head's query and key. The hybrids have sliding-window attention in some layers; the others have no RoPE
// (NoPE).

import Formats

enum Exaone4: ModelFamily {
    static let name = "exaone4"
    static let architectures = ["exaone4"]
    static let modelTypes = ["exaone4"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self, hasFactors: true)
        let isHybrid = try parameters.setWindows(in: &configuration, usualStep: 4)
        complete(&configuration, isHybrid: isHybrid)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        var configuration = try parameters.uniform(
            Self.self, defaults: ["num_key_value_heads": 32], epsilon: 1e-5)
        // Null means none, and a missing member means the default.
        let isHybrid = text["sliding_window"] != nil || !text.holds("sliding_window")
        if isHybrid {
            let isSliding =
                try parameters.slidingLayers(layerCount: configuration.layerCount)
                ?? usualSlidingLayers(text, layerCount: configuration.layerCount)
            try parameters.setWindows(isSliding, in: &configuration)
        } else {
            try parameters.requireLayerTypes("full_attention")
        }
        complete(&configuration, isHybrid: isHybrid)
        return configuration
    }

    private static func complete(_ configuration: inout ModelConfiguration, isHybrid: Bool) {
        configuration.forEachLayer {
            $0.norms = .after
            $0.attention?.queryKeyNorm = .perHead
            if isHybrid, $0.attention?.window == nil { $0.attention?.rotary = nil }
        }
    }

    /// All layers but every n-th.
    private static func usualSlidingLayers(_ text: JSONSection, layerCount: Int) throws -> [Bool] {
        if let letters = text["sliding_window_pattern"]?.stringValue {
            throw text.refusal(
                "sliding_window_pattern", "'\(letters)'", expected: "an integer where layer_types is missing")
        }
        let step = try text.optionalInteger("sliding_window_pattern") ?? 4
        guard step > 0 else {
            throw text.refusal("sliding_window_pattern", "\(step)", expected: "at least 1")
        }
        return (1...layerCount).map { $0 % step != 0 }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Exaone4.self, to: $0) }
