// SPDX-License-Identifier: Apache-2.0
// RoPE in `config.json`: base, scaling and size. There are two notations, `rope_scaling` and, since transformers 5,
// `rope_parameters`.

import Formats
import Glibc
import JSON

extension HuggingFaceParameters {
    /// RoPE of all layers.
    ///
    /// - Parameters:
    ///   - theta: the default base.
    ///   - originalContextLength: the default for the length of the context before scaling, in tokens; nil takes the model's.
    ///   - rotatesPartially: whether only a part of each head may be rotated (partial rotary).
    ///   - usualPart: the default of that part.
    ///   - hasLongRoPE: whether two lists of factors may divide the frequencies (LongRoPE).
    package func rotary(
        headSize: Int, theta: Float = 10_000, originalContextLength: Int? = nil,
        rotatesPartially: Bool = false, usualPart: Float = 1, hasLongRoPE: Bool = false
    ) throws -> RotaryPlan {
        let parameters = try rotaryParameters()
        var rotatedSize = headSize
        if rotatesPartially {
            let factor =
                try parameters?.optionalFloat("partial_rotary_factor")
                ?? text.optionalFloat("partial_rotary_factor") ?? usualPart
            guard factor > 0, factor <= 1 else {
                throw text.refusal("partial_rotary_factor", "\(factor)", expected: "more than 0, at most 1")
            }
            // A head beyond all numbers is refused later, with the configuration.
            rotatedSize = Int(exactly: (Float(headSize) * factor).rounded(.down)) ?? headSize
        } else {
            try refusePartialRotation(text)
            if let parameters { try refusePartialRotation(parameters) }
        }
        // The length beside the parameters takes precedence over the one among them.
        let length = try text.optionalInteger("original_max_position_embeddings")
        return RotaryPlan(
            theta: try parameters?.optionalFloat("rope_theta") ?? text.optionalFloat("rope_theta") ?? theta,
            scaling: try parameters.map {
                try scaling(
                    $0, length, contextLength: originalContextLength ?? contextLength(),
                    hasLongRoPE: hasLongRoPE)
            } ?? .none,
            rotatedSize: rotatedSize)
    }

    /// The object with the parameters of RoPE, in either notation; nil if there is none.
    package func rotaryParameters() throws -> JSONSection? {
        // An empty object counts as none.
        let old = try text.optionalObject("rope_scaling").flatMap { $0.object.isEmpty ? nil : $0 }
        let parameters = try old ?? text.optionalObject("rope_parameters")
        if let parameters { try refuseLayerTypes(of: parameters) }
        return parameters
    }

    package func refuseLayerTypes(of parameters: JSONSection) throws {
        for key in ["full_attention", "sliding_attention"] where parameters[key] != nil {
            throw parameters.refusal(key, "given", expected: "one object for all layers")
        }
    }

    package func refusePartialRotation(_ parameters: JSONSection) throws {
        guard let factor = try parameters.optionalFloat("partial_rotary_factor"), factor != 1 else { return }
        throw parameters.refusal(
            "partial_rotary_factor", "\(factor)", expected: "1: RoPE over the whole head")
    }

    package func rotaryKind(_ parameters: JSONSection) throws -> String? {
        try parameters.optionalString("rope_type") ?? parameters.optionalString("type")
    }

    /// - Parameters:
    ///   - length: the original context length in tokens, if it is given beside the parameters.
    ///   - contextLength: the default for the original context length.
    package func scaling(
        _ parameters: JSONSection, _ length: Int? = nil, contextLength: Int, hasLongRoPE: Bool = false
    ) throws -> RotaryPlan.Scaling {
        func originalLength() throws -> Int {
            try length ?? parameters.optionalInteger("original_max_position_embeddings") ?? contextLength
        }
        switch try rotaryKind(parameters) ?? "default" {
        case "default": return .none
        case "linear": return .linear(factor: try parameters.float("factor"))
        case "llama3":
            return .llama3(
                factor: try parameters.float("factor"),
                lowFrequencyFactor: try parameters.float("low_freq_factor"),
                highFrequencyFactor: try parameters.float("high_freq_factor"),
                originalContextLength: try originalLength())
        case "yarn": return try yarn(parameters, originalLength: originalLength())
        // "su" is LongRoPE's earlier name.
        case "longrope" where hasLongRoPE, "su" where hasLongRoPE:
            return try longRoPE(parameters, originalLength: originalLength())
        case let other:
            throw parameters.refusal(
                "rope_type", "'\(other)'",
                expected: "default, linear, llama3 or yarn: others are not supported")
        }
    }

    private func yarn(_ parameters: JSONSection, originalLength: Int) throws -> RotaryPlan.Scaling {
        guard try parameters.optionalBool("truncate") ?? true else {
            throw parameters.refusal("truncate", "false", expected: "true")
        }
        let factor = try parameters.float("factor")
        var attentionFactor = try parameters.optionalFloat("attention_factor")
        // 0 counts as missing, except for the attention factor.
        func number(_ key: String) throws -> Float? {
            try parameters.optionalFloat(key).flatMap { $0 == 0 ? nil : $0 }
        }
        if attentionFactor == nil, let mscale = try number("mscale"),
            let mscaleOfAll = try number("mscale_all_dim")
        {
            attentionFactor =
                yarnMagnitude(factor, weight: mscale) / yarnMagnitude(factor, weight: mscaleOfAll)
        }
        return .yarn(
            factor: factor,
            originalContextLength: originalLength,
            betaFast: try number("beta_fast") ?? 32, betaSlow: try number("beta_slow") ?? 1,
            attentionFactor: attentionFactor ?? (factor <= 1 ? 1 : nil))
    }

    private func longRoPE(_ parameters: JSONSection, originalLength: Int) throws -> RotaryPlan.Scaling {
        let factor =
            try parameters.optionalFloat("factor").map { Double($0) }
            ?? Double(contextLength()) / Double(max(originalLength, 1))
        let usual = factor <= 1 ? 1 : (1 + log(factor) / log(Double(originalLength))).squareRoot()
        return .longRoPE(
            originalContextLength: originalLength,
            attentionFactor: try parameters.optionalFloat("attention_factor") ?? Float(usual))
    }

    /// Divisors of the frequencies, stored as tensors in a GGUF: for short and for long contexts.
    package func frequencyFactors(_ configuration: ModelConfiguration) throws -> [TensorRole: [Float]] {
        guard case .longRoPE = configuration.rotaries[0].scaling, let parameters = try rotaryParameters()
        else {
            return [:]
        }
        let count = configuration.rotaries[0].rotatedSize / 2
        func factors(_ key: String) throws -> [Float] {
            let factors = try parameters.array(key).map { $0.doubleValue.map { Float($0) } ?? 0 }
            guard factors.count == count, factors.allSatisfy({ $0.isNormal && $0 > 0 }) else {
                throw parameters.refusal(
                    key, "\(factors.count) elements", expected: "\(count) numbers above 0, one for each pair")
            }
            return factors
        }
        return [.ropeFactors: try factors("short_factor"), .ropeLongFactors: try factors("long_factor")]
    }
}

/// YaRN's factor on sines and cosines, with a weight: 0.1 · weight · ln(factor) + 1.
func yarnMagnitude(_ factor: Float, weight: Float) -> Float {
    factor <= 1 ? 1 : 0.1 * weight * logf(factor) + 1
}
