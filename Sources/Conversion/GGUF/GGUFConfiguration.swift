// SPDX-License-Identifier: Apache-2.0
// From GGUF's metadata to a model's configuration. Families differ in few numbers; they are all here.

import Formats

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
        try keys.requireUniformHeads(headSize: headSize)
        try keys.requireCausalAttention()
        try GGUFNeutralKeys.check(file, architecture: keys.name)
        let layerCount = try keys.integer("block_count")
        let isGemma = family == .gemma3
        // Of these families Gemma alone has windows in GGUF; none is 0.
        let window = try isGemma ? keys.optionalInteger("attention.sliding_window") ?? 0 : 0
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
            ropeTheta: keys.optionalFloat("rope.freq_base") ?? 10_000,
            ropeScaling: keys.ropeScaling(),
            // Gemma 3's sliding layers keep base 10,000 without scaling (arXiv 2503.19786 §2).
            localRopeTheta: window > 0 ? keys.optionalFloat("rope.freq_base_swa") ?? 10_000 : nil,
            slidingWindow: window > 0 ? window : nil,
            slidingWindowPattern: window > 0
                ? keys.optionalInteger("attention.sliding_window_pattern") ?? 6 : nil,
            embeddingScale: isGemma ? Float(hiddenSize).squareRoot() : 1,
            attentionScale: keys.attentionScale(layerCount: layerCount, headSize: headSize),
            gateActivation: isGemma ? .geluTanh : .silu,
            hasTiedEmbeddings: file.tensor(named: "output.weight") == nil,
            hasQueryKeyNorm: family == .gemma3 || family == .qwen3,
            hasAttentionBias: file.tensor(named: "blk.0.attn_q.bias") != nil,
            hasAttentionOutputBias: file.tensor(named: "blk.0.attn_output.bias") != nil,
            hasPostNorms: isGemma,
            finalLogitSoftcap: isGemma
                ? keys.optionalFloat("final_logit_softcapping").flatMap { $0 == 0 ? nil : $0 } : nil)
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

    /// Keys, values and rotations all have the head's size, in layers with a window too.
    func requireUniformHeads(headSize: Int) throws {
        for key in [
            "attention.value_length", "attention.key_length_swa", "attention.value_length_swa",
            "rope.dimension_count", "rope.dimension_count_swa",
        ] {
            if let size = try optionalInteger(key), size != headSize {
                throw ConversionError(
                    "\(name).\(key) is \(size), expected \(headSize), the size of the heads")
            }
        }
    }

    func requireCausalAttention() throws {
        guard let value = file.metadata["\(name).attention.causal"] else { return }
        guard value.bool == true else {
            throw ConversionError(
                "\(name).attention.causal is \(value.bool == false ? "false" : "no Bool"), expected true: every token "
                    + "sees those before it alone")
        }
    }

    func ropeScaling() throws -> ModelConfiguration.RopeScaling {
        let hasFactors = file.tensor(named: "rope_freqs.weight") != nil
        let scaling = try scalingOfAllFrequencies()
        guard hasFactors else { return scaling }
        guard family == .llama else {
            throw ConversionError("tensor rope_freqs.weight is there, but llama.cpp has none for '\(name)'")
        }
        guard scaling == .none else {
            throw ConversionError(
                "rope_freqs.weight and \(name).rope.scaling scale the frequencies twice, which is not supported"
            )
        }
        return .perFrequencyFactors
    }

    private func scalingOfAllFrequencies() throws -> ModelConfiguration.RopeScaling {
        let stored = try optionalFloat("rope.scaling.factor") ?? optionalFloat("rope.scale_linear") ?? 1
        // Zero stands for none.
        let factor = stored == 0 ? 1 : stored
        switch try optionalString("rope.scaling.type") ?? "linear" {
        case "none": return .none
        case "linear": return factor == 1 ? .none : .linear(factor: factor)
        case "yarn":
            return .yarn(
                factor: factor,
                originalContextLength: try optionalInteger("rope.scaling.original_context_length")
                    ?? integer("context_length"),
                betaFast: 32, betaSlow: 1,
                // Where the context grows the magnitude is YaRN's own, 0.1 ln(factor) + 1.
                attentionFactor: factor <= 1 ? 1 : nil)
        case let kind:
            throw ConversionError("RoPE scaling '\(kind)' is not supported; supported are none, linear, yarn")
        }
    }

    private func optionalString(_ key: String) throws -> String? {
        guard let value = file.metadata["\(name).\(key)"] else { return nil }
        guard let string = value.string else {
            throw ConversionError("\(name).\(key) has the wrong type, expected a string")
        }
        return string
    }

    /// 1 / √headSize, except for Gemma 3 27B, whose queries are scaled by hiddenSize / headCount.
    ///
    /// The attention factor multiplies what RoPE makes of queries and of keys, under every scaling and in every layer: their
    /// products by its square.
    func attentionScale(layerCount: Int, headSize: Int) throws -> Float {
        let factor = try optionalFloat("rope.scaling.attn_factor") ?? 1
        var divisor = headSize
        if family == .gemma3, layerCount == 62 {
            divisor = try integer("embedding_length") / integer("attention.head_count")
        }
        return factor * factor / Float(divisor).squareRoot()
    }
}
