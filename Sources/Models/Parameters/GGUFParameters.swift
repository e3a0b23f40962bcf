// SPDX-License-Identifier: Apache-2.0
// Hyper-parameters in a GGUF's metadata, under the keys of its architecture such as `llama.block_count`. Missing keys have
// llama.cpp's defaults.

import Formats

/// Metadata under the keys of one architecture.
package struct GGUFParameters {
    let metadata: GGUFMetadata
    /// The tensors of all parts of the model by name.
    let tensors: [String: GGUFTensor]
    /// `general.architecture`.
    package let name: String

    /// - Throws: `ConversionError` where the metadata name no architecture.
    package init(_ metadata: GGUFMetadata, tensors: [String: GGUFTensor]) throws {
        guard let name = metadata["general.architecture"]?.string else {
            throw ConversionError("the GGUF names no general.architecture")
        }
        self.metadata = metadata
        self.tensors = tensors
        self.name = name
    }

    /// The model's configuration, as its family reads it.
    ///
    /// - Throws: `ConversionError` for unsupported families and missing numbers.
    package func configuration(_ family: any ModelFamily.Type) throws -> ModelConfiguration {
        try family.configuration(gguf: self)
    }

    /// The settings that most families share: identical layers, RoPE over whole heads, SiLU, biases where their tensors exist.
    ///
    /// - Parameters:
    ///   - meant: keys, without the architecture, to which the family gives a meaning.
    ///   - rotatesPartially: whether `rope.dimension_count` may be less than a head.
    ///   - hasFactors: whether `rope_freqs.weight` may divide the frequencies.
    ///   - keyValueHeadCount: the heads of keys and values, where they are not the same number for all layers.
    package func uniform(
        _ family: any ModelFamily.Type, meant: Set<String> = [], rotatesPartially: Bool = false,
        hasFactors: Bool = false, keyValueHeadCount: Int? = nil
    ) throws -> ModelConfiguration {
        let hiddenSize = try integer("embedding_length")
        let headCount = try integer("attention.head_count")
        guard headCount > 0 else {
            throw refusal("attention.head_count", "\(headCount)", expected: "at least 1")
        }
        let headSize = try optionalInteger("attention.key_length") ?? hiddenSize / headCount
        try requireUniformHeads(headSize: headSize, rotatesPartially: rotatesPartially)
        try requireCausalAttention()
        try GGUFNeutralKeys.check(metadata, architecture: name, except: meant)
        if !meant.contains("expert_count"), let count = try optionalInteger("expert_count"), count > 0 {
            throw refusal("expert_count", "\(count)", expected: "0: this family has no mixture of experts")
        }
        let layerCount = try integer("block_count", in: 1...1024)
        let rotatedSize =
            rotatesPartially ? try optionalInteger("rope.dimension_count") ?? headSize : headSize
        let rotary = RotaryPlan(
            theta: try optionalFloat("rope.freq_base") ?? 10_000,
            scaling: try ropeScaling(hasFactors: hasFactors),
            rotatedSize: rotatedSize)
        let layer = LayerPlan(
            attention: .init(
                scale: try attentionFactor(rotary, headSize: headSize) / Float(max(headSize, 1)).squareRoot(),
                hasBias: tensors["blk.0.attn_q.bias"] != nil,
                hasOutputBias: tensors["blk.0.attn_output.bias"] != nil))
        return ModelConfiguration(
            family: family.name, vocabularySize: try vocabularySize(), hiddenSize: hiddenSize,
            intermediateSize: try integer("feed_forward_length"), headCount: headCount,
            keyValueHeadCount: try keyValueHeadCount
                ?? optionalInteger("attention.head_count_kv") ?? headCount,
            headSize: headSize, contextLength: try integer("context_length"),
            rmsNormEpsilon: try float("attention.layer_norm_rms_epsilon"),
            hasTiedEmbeddings: tensors["output.weight"] == nil, rotaries: [rotary],
            layers: Array(repeating: layer, count: layerCount))
    }

    private func vocabularySize() throws -> Int {
        guard let embedding = tensors["token_embd.weight"] else {
            throw ConversionError("tensor token_embd.weight is missing")
        }
        return embedding.rows
    }

    /// Requires that keys, values and rotations have the head's size, in layers with a window too.
    private func requireUniformHeads(headSize: Int, rotatesPartially: Bool) throws {
        var keys = [
            "attention.value_length", "attention.key_length_swa", "attention.value_length_swa",
            "rope.dimension_count_swa",
        ]
        if !rotatesPartially { keys.append("rope.dimension_count") }
        for key in keys {
            if let size = try optionalInteger(key), size != headSize {
                throw refusal(key, "\(size)", expected: "\(headSize), the size of the heads")
            }
        }
    }

    private func requireCausalAttention() throws {
        guard let value = value("attention.causal"), value.bool != true else { return }
        throw refusal(
            "attention.causal", value.bool == false ? "false" : "no Bool",
            expected: "true: every token sees those before it alone")
    }
}

// MARK: - Typed fields

extension GGUFParameters: TypedFields {
    package func value(_ key: String) -> GGUFValue? { metadata["\(name).\(key)"] }

    package func wrongType(_ key: String, _ value: GGUFValue?, expected: String) -> ConversionError {
        guard value != nil else { return ConversionError("metadata \(name).\(key) is missing") }
        return ConversionError("\(name).\(key) has the wrong type, expected \(expected)")
    }

    package func refusal(_ key: String, _ found: String, expected: String) -> ConversionError {
        ConversionError("\(name).\(key) is \(found), expected \(expected)")
    }

    /// Some writers store one number per layer; equal numbers mean the same as one.
    package func integer(of value: GGUFValue, _ key: String) throws(ConversionError) -> Int? {
        guard let integers = value.integers, let first = integers.first else { return value.integer }
        guard integers.allSatisfy({ $0 == first }) else {
            throw ConversionError("\(name).\(key) differs between layers, which is not supported")
        }
        return first
    }

    /// A factor for which 0 means none, as in llama.cpp.
    package func factor(_ key: String) throws -> Float {
        let value = try optionalFloat(key) ?? 1
        return value == 0 ? 1 : value
    }
}

extension GGUFValue: FieldValue {
    package var intValue: Int? { integer }
    package var doubleValue: Double? { float }
    package var floatValue: Float? { float.map { Float($0) } }
    package var boolValue: Bool? { bool }
    package var stringValue: String? { string }
}
