// SPDX-License-Identifier: Apache-2.0
// From GGUF's metadata to a model's configuration. Families differ in few numbers; they are all here.

import Formats
import Glibc

/// Why a source model cannot be converted.
package struct ConversionError: Error, CustomStringConvertible, Equatable {
    package let description: String

    package init(_ description: String) { self.description = description }
}

extension ModelConfiguration {
    /// Reads the hyper-parameters of a GGUF model.
    ///
    /// - Throws: `ConversionError` for families that are not supported and numbers that are missing;
    ///   `FormatError` for numbers outside their limits.
    package init(gguf file: GGUFFile) throws {
        let keys = try ArchitectureKeys(file)
        let family = keys.family
        let hiddenSize = try keys.integer("embedding_length")
        let headCount = try keys.integer("attention.head_count")
        guard headCount > 0 else {
            throw ConversionError("\(keys.name).attention.head_count is 0, expected at least 1")
        }
        let headSize = try keys.optionalInteger("attention.key_length") ?? hiddenSize / headCount
        if let valueSize = try keys.optionalInteger("attention.value_length"), valueSize != headSize {
            throw ConversionError(
                "value heads of \(valueSize) beside key heads of \(headSize) are not supported")
        }
        if let rotated = try keys.optionalInteger("rope.dimension_count"), rotated != headSize {
            throw ConversionError("RoPE over \(rotated) of \(headSize) dimensions is not supported")
        }
        let layerCount = try keys.integer("block_count")
        let isGemma = family == .gemma3
        try self.init(
            family: family,
            vocabularySize: keys.vocabularySize(),
            hiddenSize: hiddenSize,
            intermediateSize: keys.integer("feed_forward_length"),
            layerCount: layerCount,
            headCount: headCount,
            keyValueHeadCount: keys.optionalInteger("attention.head_count_kv") ?? headCount,
            headSize: headSize,
            contextLength: keys.integer("context_length"),
            rmsNormEpsilon: keys.float("attention.layer_norm_rms_epsilon"),
            ropeTheta: keys.optionalFloat("rope.freq_base") ?? (isGemma ? 1_000_000 : 10_000),
            ropeScaling: file.tensor(named: "rope_freqs.weight") != nil
                ? .perFrequencyFactors : keys.ropeScaling(),
            // Gemma 3's sliding layers keep base 10,000 without scaling (arXiv 2503.19786 §2).
            localRopeTheta: isGemma ? keys.optionalFloat("rope.freq_base_swa") ?? 10_000 : nil,
            slidingWindow: isGemma ? keys.optionalInteger("attention.sliding_window") : nil,
            slidingWindowPattern: isGemma
                ? keys.optionalInteger("attention.sliding_window_pattern") ?? 6 : nil,
            embeddingScale: isGemma ? Float(hiddenSize).squareRoot() : 1,
            attentionScale: keys.attentionScale(layerCount: layerCount, headSize: headSize),
            gateActivation: isGemma ? .geluTanh : .silu,
            hasTiedEmbeddings: file.tensor(named: "output.weight") == nil,
            hasQueryKeyNorm: family == .gemma3 || family == .qwen3,
            hasAttentionBias: file.tensor(named: "blk.0.attn_q.bias") != nil,
            hasAttentionOutputBias: file.tensor(named: "blk.0.attn_output.bias") != nil,
            hasPostNorms: isGemma,
            finalLogitSoftcap: keys.optionalFloat("final_logit_softcapping"))
    }
}

/// Metadata under the keys of one architecture, such as `llama.block_count`.
private struct ArchitectureKeys {
    let file: GGUFFile
    let name: String
    let family: ModelConfiguration.Family

    init(_ file: GGUFFile) throws {
        guard let name = file.metadata["general.architecture"]?.string else {
            throw ConversionError("the GGUF names no general.architecture")
        }
        let families: [String: ModelConfiguration.Family] = [
            "llama": .llama, "qwen2": .qwen2, "qwen3": .qwen3, "gemma3": .gemma3,
        ]
        guard let family = families[name] else {
            throw ConversionError(
                "architecture '\(name)' is not supported; supported are \(families.keys.sorted().joined(separator: ", "))"
            )
        }
        if let experts = file.metadata["\(name).expert_count"]?.integer, experts > 0 {
            throw ConversionError("mixtures of experts are not supported (\(experts) experts)")
        }
        self.file = file
        self.name = name
        self.family = family
    }

    func optionalInteger(_ key: String) throws -> Int? {
        guard let value = file.metadata["\(name).\(key)"] else { return nil }
        if let integer = value.integer { return integer }
        // Some writers store one number for each layer; equal ones mean the same.
        if let integers = value.integers, let first = integers.first {
            guard integers.allSatisfy({ $0 == first }) else {
                throw ConversionError("\(name).\(key) differs between layers, which is not supported")
            }
            return first
        }
        throw ConversionError("\(name).\(key) has the wrong type, expected an integer")
    }

    func integer(_ key: String) throws -> Int {
        guard let value = try optionalInteger(key) else {
            throw ConversionError("metadata \(name).\(key) is missing")
        }
        return value
    }

    func optionalFloat(_ key: String) throws -> Float? {
        guard let value = file.metadata["\(name).\(key)"] else { return nil }
        guard let float = value.float else {
            throw ConversionError("\(name).\(key) has the wrong type, expected a number")
        }
        return Float(float)
    }

    func float(_ key: String) throws -> Float {
        guard let value = try optionalFloat(key) else {
            throw ConversionError("metadata \(name).\(key) is missing")
        }
        return value
    }

    func vocabularySize() throws -> Int {
        guard let embedding = file.tensor(named: "token_embd.weight") else {
            throw ConversionError("tensor token_embd.weight is missing")
        }
        return embedding.rows
    }

    func ropeScaling() throws -> ModelConfiguration.RopeScaling {
        let factor = try optionalFloat("rope.scaling.factor") ?? optionalFloat("rope.scale_linear") ?? 1
        let kind = file.metadata["\(name).rope.scaling.type"]?.string ?? (factor == 1 ? "none" : "linear")
        switch kind {
        case "none": return .none
        case "linear": return factor == 1 ? .none : .linear(factor: factor)
        case "yarn":
            return .yarn(
                factor: factor,
                originalContextLength: try integer("rope.scaling.original_context_length"),
                betaFast: try optionalFloat("rope.scaling.yarn_beta_fast") ?? 32,
                betaSlow: try optionalFloat("rope.scaling.yarn_beta_slow") ?? 1,
                attentionFactor: try yarnMagnitude(factor: factor))
        default:
            throw ConversionError("RoPE scaling '\(kind)' is not supported; supported are none, linear, yarn")
        }
    }

    /// GGUF's attention factor multiplies YaRN's own magnitude, 0.1 ln(factor) + 1.
    private func yarnMagnitude(factor: Float) throws -> Float? {
        try optionalFloat("rope.scaling.attn_factor").map { $0 * (0.1 * logf(factor) + 1) }
    }

    /// 1 / √headSize, except for Gemma 3 27B, whose queries are scaled by hiddenSize / headCount.
    func attentionScale(layerCount: Int, headSize: Int) throws -> Float {
        if family == .gemma3, layerCount == 62 {
            return 1 / Float(try integer("embedding_length") / integer("attention.head_count")).squareRoot()
        }
        return 1 / Float(headSize).squareRoot()
    }
}
