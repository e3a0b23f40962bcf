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
        if family == .gemma3 {
            self = try FolderRope(gemma: text, contextLength: contextLength)
            return
        }
        // An empty object is as good as none.
        let old = try text.optionalObject("rope_scaling").flatMap { $0.object.isEmpty ? nil : $0 }
        let parameters = try old ?? text.optionalObject("rope_parameters")
        if let parameters { try Self.refuseLayerTypes(of: parameters) }
        theta =
            try parameters?.optionalFloat("rope_theta") ?? text.optionalFloat("rope_theta") ?? 10_000
        localTheta = nil
        // The length beside the parameters goes before the one among them.
        let length = try text.optionalInteger("original_max_position_embeddings")
        scaling =
            try parameters.map { try Self.scaling($0, length, contextLength: contextLength) } ?? .none
    }

    /// Gemma has parameters for each kind of layer; `rope_scaling` changes those of the layers that see all.
    private init(gemma text: Settings, contextLength: Int) throws {
        let both = try text.optionalObject("rope_parameters")
        if let both, both["full_attention"] == nil, both["sliding_attention"] == nil, !both.object.isEmpty {
            throw text.refusal(
                "rope_parameters", "one for all layers",
                expected: "full_attention and sliding_attention, as this family has it")
        }
        var full = try both?.optionalObject("full_attention")
        if let changes = try text.optionalObject("rope_scaling") {
            try Self.refuseLayerTypes(of: changes)
            full = changes.replacing(in: full?.object ?? ["rope_type": "default"])
        }
        theta =
            try full?.optionalFloat("rope_theta") ?? text.optionalFloat("rope_theta") ?? 1_000_000
        scaling = try full.map { try Self.scaling($0, nil, contextLength: contextLength) } ?? .none
        let local = try both?.optionalObject("sliding_attention")
        localTheta =
            try local?.optionalFloat("rope_theta") ?? text.optionalFloat("rope_local_base_freq") ?? 10_000
        guard let local else { return }
        try Self.refusePartialRotation(local)
        if let kind = try Self.kind(local), kind != "default" {
            throw local.refusal("rope_type", "'\(kind)'", expected: "'default'")
        }
    }

    private static func refuseLayerTypes(of parameters: Settings) throws {
        for key in ["full_attention", "sliding_attention"] where parameters[key] != nil {
            throw parameters.refusal(key, "given", expected: "one object for all layers")
        }
    }

    private static func refusePartialRotation(_ parameters: Settings) throws {
        guard let factor = try parameters.optionalFloat("partial_rotary_factor"), factor != 1 else { return }
        throw parameters.refusal(
            "partial_rotary_factor", "\(factor)", expected: "1: RoPE over the whole head")
    }

    private static func kind(_ parameters: Settings) throws -> String? {
        try parameters.optionalString("rope_type") ?? parameters.optionalString("type")
    }

    /// - Parameters:
    ///   - length: tokens of the original context where they are given beside the parameters.
    ///   - contextLength: the original context where nothing says another.
    private static func scaling(_ parameters: Settings, _ length: Int?, contextLength: Int) throws
        -> ModelConfiguration.RopeScaling
    {
        try refusePartialRotation(parameters)
        func originalLength() throws -> Int {
            try length ?? parameters.optionalInteger("original_max_position_embeddings") ?? contextLength
        }
        switch try kind(parameters) ?? "default" {
        case "default": return .none
        case "linear": return .linear(factor: try parameters.float("factor"))
        case "llama3":
            return .llama3(
                factor: try parameters.float("factor"),
                lowFrequencyFactor: try parameters.float("low_freq_factor"),
                highFrequencyFactor: try parameters.float("high_freq_factor"),
                originalContextLength: try originalLength())
        case "yarn": return try yarn(parameters, originalLength: originalLength())
        case let other:
            throw parameters.refusal(
                "rope_type", "'\(other)'",
                expected: "default, linear, llama3 or yarn: others are not supported")
        }
    }

    private static func yarn(_ parameters: Settings, originalLength: Int) throws
        -> ModelConfiguration.RopeScaling
    {
        guard try parameters.optionalBool("truncate") ?? true else {
            throw parameters.refusal("truncate", "false", expected: "true")
        }
        let factor = try parameters.float("factor")
        func magnitude(_ weight: Float) -> Float { factor <= 1 ? 1 : 0.1 * weight * logf(factor) + 1 }
        var attentionFactor = try parameters.optionalFloat("attention_factor")
        // Zero is as good as nothing in all but the attention factor.
        func number(_ key: String) throws -> Float? {
            try parameters.optionalFloat(key).flatMap { $0 == 0 ? nil : $0 }
        }
        if attentionFactor == nil, let mscale = try number("mscale"),
            let mscaleOfAll = try number("mscale_all_dim")
        {
            attentionFactor = magnitude(mscale) / magnitude(mscaleOfAll)
        }
        return .yarn(
            factor: factor,
            originalContextLength: originalLength,
            betaFast: try number("beta_fast") ?? 32, betaSlow: try number("beta_slow") ?? 1,
            attentionFactor: attentionFactor ?? (factor <= 1 ? 1 : nil))
    }
}

/// Which layers see only the last tokens.
struct FolderWindow {
    /// Nil when all layers see everything.
    var size: Int?
    var pattern: Int?

    init(_ text: Settings, family: ModelConfiguration.Family, layerCount: Int) throws {
        let usual = try text.optionalInteger("sliding_window_pattern") ?? 6
        guard let isSliding = try Self.layers(text, family, layerCount, pattern: usual),
            isSliding.contains(true)
        else { return }
        size = try text.optionalInteger("sliding_window") ?? 4096
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

    /// A layer cannot have another kind than the rest of the settings gives it.
    private static func requireLayerTypes(_ text: Settings, _ expected: String) throws {
        let names = try text.optionalArray("layer_types") ?? []
        if let other = names.first(where: { $0.stringValue != expected }) {
            throw text.refusal(
                "layer_types", other.stringValue.map { "'\($0)'" } ?? other.kindName,
                expected: "'\(expected)' in every layer, as the other settings say")
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
            // Of the two that share this family, Mistral has windows, in all layers: null is none, and what is left out
            // has the default.
            let hasWindow =
                try text.string("model_type") == "mistral"
                && (text["sliding_window"] != nil || !text.holds("sliding_window"))
            try requireLayerTypes(text, hasWindow ? "sliding_attention" : "full_attention")
            return hasWindow ? [Bool](repeating: true, count: layerCount) : nil
        case .qwen2, .qwen3:
            guard try text.optionalBool("use_sliding_window") == true,
                text["sliding_window"] != nil || !text.holds("sliding_window")
            else {
                try requireLayerTypes(text, "full_attention")
                return nil
            }
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
