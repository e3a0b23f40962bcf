// SPDX-License-Identifier: Apache-2.0
// RoPE's scaling in a GGUF's metadata.

import Formats

extension GGUFParameters {
    func ropeScaling(hasFactors: Bool) throws -> RotaryPlan.Scaling {
        if let long = try longRoPE() { return long }
        let scaling = try scalingOfAllFrequencies()
        guard tensors["rope_freqs.weight"] != nil else { return scaling }
        guard hasFactors else {
            throw ConversionError("tensor rope_freqs.weight is there, but llama.cpp has none for '\(name)'")
        }
        guard scaling == .none else {
            throw ConversionError(
                "rope_freqs.weight and \(name).rope.scaling scale the frequencies twice, which is not supported"
            )
        }
        return .perFrequencyFactors
    }

    /// LongRoPE's two tensors of factors, for short and for long contexts.
    private func longRoPE() throws -> RotaryPlan.Scaling? {
        guard tensors["rope_factors_long.weight"] != nil else { return nil }
        guard try scalingOfAllFrequencies() == .none else {
            throw ConversionError(
                "rope_factors_long.weight and \(name).rope.scaling scale the frequencies twice, which is not supported"
            )
        }
        return .longRoPE(
            originalContextLength: try optionalInteger("rope.scaling.original_context_length")
                ?? integer("context_length"),
            attentionFactor: try optionalFloat("rope.scaling.attn_factor") ?? 1)
    }

    private func scalingOfAllFrequencies() throws -> RotaryPlan.Scaling {
        let stored = try optionalFloat("rope.scaling.factor") ?? optionalFloat("rope.scale_linear") ?? 1
        // 0 means no scaling.
        let factor = stored == 0 ? 1 : stored
        switch try optionalString("rope.scaling.type") ?? "linear" {
        case "none": return .none
        // The factors are in tensors.
        case "longrope" where tensors["rope_factors_long.weight"] != nil, "linear":
            return factor == 1 ? .none : .linear(factor: factor)
        case "yarn":
            return .yarn(
                factor: factor,
                originalContextLength: try optionalInteger("rope.scaling.original_context_length")
                    ?? integer("context_length"),
                betaFast: 32, betaSlow: 1,
                // With a longer context the magnitude is YaRN's own, 0.1 ln(factor) + 1.
                attentionFactor: factor <= 1 ? 1 : nil)
        case let kind:
            throw ConversionError("RoPE scaling '\(kind)' is not supported; supported are none, linear, yarn")
        }
    }

    /// The factor on query · key that follows from `rope.scaling.attn_factor`. That parameter multiplies the rotated queries and
    /// the rotated keys, under every scaling and in every layer, so their products are multiplied by its square.
    package func attentionFactor(_ rotary: RotaryPlan, headSize: Int) throws -> Float {
        if case .longRoPE = rotary.scaling { return 1 }
        let factor = try optionalFloat("rope.scaling.attn_factor") ?? 1
        guard factor == 1 || rotary.rotatedSize == headSize else {
            throw refusal(
                "rope.scaling.attn_factor", "\(factor)", expected: "1 where a part of the heads is rotated")
        }
        return factor * factor
    }
}
