// SPDX-License-Identifier: Apache-2.0
// OLMo 2 (arXiv 2501.00656) and OLMo 3: attention and feed-forward read the residual stream as it is, with norms on what they add
// to it, and one norm for all heads' queries and one for all keys. OLMo 3 has sliding-window attention in three of four layers;
// RoPE is scaled in the others only.

import Formats
import Glibc

enum Olmo2: ModelFamily {
    static let name = "olmo2"
    static let architectures = ["olmo2"]
    static let modelTypes = ["olmo2", "olmo3"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self, meant: ["rope.scaling.yarn_attn_factor"])
        complete(&configuration)
        try setAttentionFactor(of: &configuration.rotaries[0].scaling, parameters)
        guard try parameters.setWindows(in: &configuration, usualStep: 4) else { return configuration }
        let full = configuration.rotaries[0]
        let theta = try parameters.optionalFloat("rope.freq_base_swa") ?? full.theta
        addSlidingRotary(RotaryPlan(theta: theta, rotatedSize: full.rotatedSize), to: &configuration)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        guard parameters.modelType == "olmo3" else {
            var configuration = try parameters.uniform(Self.self, epsilon: 1e-5)
            try parameters.requireLayerTypes("full_attention")
            complete(&configuration)
            return configuration
        }
        let theta = try text.optionalFloat("rope_theta") ?? 500_000
        let rotary = try RotaryByLayerType(parameters, theta: theta, slidingTheta: theta)
        var configuration = try parameters.uniform(Self.self, epsilon: 1e-5, rotary: rotary.full)
        complete(&configuration)
        let isSliding =
            try parameters.slidingLayers(layerCount: configuration.layerCount)
            ?? (1...configuration.layerCount).map { $0 % 4 != 0 }
        try parameters.refuseNullWindow(isSliding)
        try parameters.setWindows(isSliding, in: &configuration)
        addSlidingRotary(rotary.sliding, to: &configuration)
        return configuration
    }

    private static func complete(_ configuration: inout ModelConfiguration) {
        configuration.forEachLayer {
            $0.norms = .after
            $0.attention?.queryKeyNorm = .whole
        }
    }

    /// Layers with a window have RoPE without scaling, and without the factors that belong to it.
    private static func addSlidingRotary(_ rotary: RotaryPlan, to configuration: inout ModelConfiguration) {
        guard configuration.layers.contains(where: { $0.attention?.window != nil }) else { return }
        if rotary != configuration.rotaries[0] { configuration.rotaries.append(rotary) }
        let (last, scale) = (configuration.rotaries.count - 1, 1 / Float(configuration.headSize).squareRoot())
        configuration.forEachLayer {
            guard $0.attention?.window != nil else { return }
            $0.attention?.rotary = last
            $0.attention?.scale = scale
        }
    }

    /// The converter writes YaRN's factor on sines and cosines; llama.cpp has its own, so another one would be ambiguous.
    private static func setAttentionFactor(
        of scaling: inout RotaryPlan.Scaling, _ parameters: GGUFParameters
    ) throws {
        let key = "rope.scaling.yarn_attn_factor"
        guard let stored = try parameters.optionalFloat(key), stored != 1 else { return }
        guard case .yarn(let factor, let length, let fast, let slow, _) = scaling,
            abs(stored - (0.1 * logf(factor) + 1)) < 1e-4
        else {
            throw ConversionError(
                "\(parameters.name).\(key) is \(stored), expected 1, or 0.1 · ln(factor) + 1 with YaRN")
        }
        scaling = .yarn(
            factor: factor, originalContextLength: length, betaFast: fast, betaSlow: slow,
            attentionFactor: stored)
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Olmo2.self, to: $0) }
