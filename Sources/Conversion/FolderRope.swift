// SPDX-License-Identifier: Apache-2.0
// Positions in `config.json`: RoPE's base and scaling, and which layers see through a window. Both are written
// in two ways, with `rope_scaling` and without (`rope_parameters`, since transformers 5).

import Formats
import Glibc
import JSON

/// RoPE as a model folder describes it.
struct FolderRope {
    let theta: Float
    /// Gemma's base of layers with a window.
    let localTheta: Float?
    let scaling: ModelConfiguration.RopeScaling

    init(_ text: Settings, family: ModelConfiguration.Family, contextLength: Int) throws {
        let isGemma = family == .gemma3
        var parameters = try text.optionalObject("rope_scaling") ?? text.optionalObject("rope_parameters")
        var local: Settings?
        if let both = parameters, both["full_attention"] != nil || both["sliding_attention"] != nil {
            guard isGemma else {
                throw text.refusal(
                    "rope_parameters", "one for each kind of layer", expected: "one for all layers")
            }
            parameters = try both.optionalObject("full_attention")
            local = try both.optionalObject("sliding_attention")
            if let local, let kind = try Self.kind(local), kind != "default" {
                throw local.refusal("rope_type", "'\(kind)'", expected: "'default'")
            }
        }
        theta =
            try parameters?.optionalFloat("rope_theta") ?? text.optionalFloat("rope_theta")
            ?? (isGemma ? 1_000_000 : 10_000)
        localTheta =
            isGemma
            ? try local?.optionalFloat("rope_theta") ?? text.optionalFloat("rope_local_base_freq") ?? 10_000
            : nil
        scaling = try parameters.map { try Self.scaling($0, contextLength: contextLength) } ?? .none
    }

    private static func kind(_ parameters: Settings) throws -> String? {
        try parameters.optionalString("rope_type") ?? parameters.optionalString("type")
    }

    private static func scaling(_ parameters: Settings, contextLength: Int) throws
        -> ModelConfiguration.RopeScaling
    {
        if let factor = try parameters.optionalFloat("partial_rotary_factor"), factor != 1 {
            throw parameters.refusal(
                "partial_rotary_factor", "\(factor)", expected: "1: RoPE over the whole head")
        }
        switch try kind(parameters) ?? "default" {
        case "default": return .none
        case "linear": return .linear(factor: try parameters.float("factor"))
        case "llama3":
            return .llama3(
                factor: try parameters.float("factor"),
                lowFrequencyFactor: try parameters.float("low_freq_factor"),
                highFrequencyFactor: try parameters.float("high_freq_factor"),
                originalContextLength: try parameters.integer("original_max_position_embeddings"))
        case "yarn": return try yarn(parameters, contextLength: contextLength)
        case let other:
            throw parameters.refusal(
                "rope_type", "'\(other)'",
                expected: "default, linear, llama3 or yarn: others are not supported")
        }
    }

    private static func yarn(_ parameters: Settings, contextLength: Int) throws
        -> ModelConfiguration.RopeScaling
    {
        guard try parameters.optionalBool("truncate") ?? true else {
            throw parameters.refusal("truncate", "false", expected: "true")
        }
        let factor = try parameters.float("factor")
        func magnitude(_ weight: Float) -> Float { factor <= 1 ? 1 : 0.1 * weight * logf(factor) + 1 }
        var attentionFactor = try parameters.optionalFloat("attention_factor")
        let mscale = try parameters.optionalFloat("mscale") ?? 0
        let mscaleOfAll = try parameters.optionalFloat("mscale_all_dim") ?? 0
        if attentionFactor == nil, mscale != 0, mscaleOfAll != 0 {
            attentionFactor = magnitude(mscale) / magnitude(mscaleOfAll)
        }
        return .yarn(
            factor: factor,
            originalContextLength: try parameters.optionalInteger("original_max_position_embeddings")
                ?? contextLength,
            betaFast: try parameters.optionalFloat("beta_fast") ?? 32,
            betaSlow: try parameters.optionalFloat("beta_slow") ?? 1,
            attentionFactor: attentionFactor ?? (factor <= 1 ? 1 : nil))
    }
}

/// Which layers see only the last tokens.
struct FolderWindow {
    /// Nil when all layers see everything.
    var size: Int?
    var pattern: Int?

    init(_ text: Settings, family: ModelConfiguration.Family, layerCount: Int) throws {
        let usual =
            try text.optionalInteger("sliding_window_pattern")
            ?? text.optionalInteger("_sliding_window_pattern") ?? 6
        guard let isSliding = try Self.layers(text, family, layerCount, pattern: usual),
            isSliding.contains(true)
        else { return }
        size =
            try family == .gemma3
            ? text.optionalInteger("sliding_window") ?? 4096 : text.integer("sliding_window")
        if isSliding.allSatisfy(\.self), family != .gemma3 { return }
        let candidates = [usual] + Array(2...max(2, min(layerCount, 1024)))
        pattern = candidates.first { pattern in
            pattern > 1 && isSliding.indices.allSatisfy { isSliding[$0] == (($0 + 1) % pattern != 0) }
        }
        guard pattern != nil || isSliding.allSatisfy(\.self) else {
            throw text.refusal(
                "layer_types", "without a regular order", expected: "full_attention in every n-th layer alone"
            )
        }
    }

    /// Whether each layer has a window; nil when none has.
    private static func layers(
        _ text: Settings, _ family: ModelConfiguration.Family, _ layerCount: Int, pattern: Int
    ) throws -> [Bool]? {
        guard layerCount > 0, layerCount <= 1024 else {
            throw text.refusal("num_hidden_layers", "\(layerCount)", expected: "1 to 1024")
        }
        switch family {
        case .llama:
            // Of the two that share this family, Mistral has windows, in all layers.
            guard try text.string("model_type") == "mistral", text["sliding_window"] != nil else {
                return nil
            }
            return [Bool](repeating: true, count: layerCount)
        case .qwen2, .qwen3:
            guard try text.optionalBool("use_sliding_window") == true else { return nil }
            if text["layer_types"] == nil {
                let first = try text.optionalInteger("max_window_layers") ?? 28
                return (0..<layerCount).map { $0 >= first }
            }
        case .gemma3:
            if text["layer_types"] == nil {
                guard pattern > 0 else {
                    throw text.refusal("sliding_window_pattern", "\(pattern)", expected: "at least 1")
                }
                return (0..<layerCount).map { ($0 + 1) % pattern != 0 }
            }
        }
        let names = try text.array("layer_types").map { $0.stringValue ?? $0.kindName }
        guard names.count == layerCount,
            let other = Optional(names.first { $0 != "full_attention" && $0 != "sliding_attention" }),
            other == nil
        else {
            throw text.refusal(
                "layer_types", "\(names.count) of \(Set(names).sorted())",
                expected: "full_attention or sliding_attention for each of \(layerCount) layers")
        }
        return names.map { $0 == "sliding_attention" }
    }
}
