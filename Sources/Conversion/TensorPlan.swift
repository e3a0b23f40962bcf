// SPDX-License-Identifier: Apache-2.0
// Which tensor of a GGUF becomes which tensor of the file, in which encoding.

import Formats
import Quantization

/// Encodings asked for by the user.
package struct EncodingChoice: Sendable {
    package var weights: TensorEncoding
    package var head: TensorEncoding

    package init(weights: TensorEncoding, head: TensorEncoding) {
        self.weights = weights
        self.head = head
    }
}

/// One tensor's way from the source to the file.
package struct PlannedTensor: Sendable {
    package let source: GGUFTensor
    package let role: TensorRole
    package let layer: Int?
    package let encoding: TensorEncoding
    /// Head size of rows that GGUF stores with RoPE's pairs side by side, and that are put back into halves.
    package let interleavedHeadSize: Int?
    /// Whether the rows are too odd for the encoding asked for, so that a wider one is taken.
    package let isWidened: Bool

    /// The source row of a row of the file.
    ///
    /// llama.cpp interleaves the rows of Llama's query and key heads: (i, i + headSize/2) lie side by side.
    package func sourceRow(_ row: Int) -> Int {
        guard let headSize = interleavedHeadSize else { return row }
        let (head, index) = row.quotientAndRemainder(dividingBy: headSize)
        let (half, pair) = index.quotientAndRemainder(dividingBy: headSize / 2)
        return head * headSize + 2 * pair + half
    }
}

/// The tensors of a file in the order in which they are written.
package struct TensorPlan: Sendable {
    package let tensors: [PlannedTensor]

    /// - Throws: `ConversionError` where the source lacks a tensor, or has one that has no place.
    package init(gguf file: GGUFFile, configuration: ModelConfiguration, encodings: EncodingChoice) throws {
        var tensors: [PlannedTensor] = []
        var unused = Set(file.tensors.map(\.name))
        func add(_ name: String, _ role: TensorRole, layer: Int? = nil, isRequired: Bool = true) throws {
            guard let source = file.tensor(named: name) else {
                guard !isRequired else { throw ConversionError("tensor \(name) is missing") }
                return
            }
            unused.remove(name)
            tensors.append(
                PlannedTensor(source, role, layer: layer, configuration: configuration, encodings: encodings))
        }
        try add("token_embd.weight", .tokenEmbedding)
        for layer in 0..<configuration.layerCount {
            for (suffix, role) in Self.blockTensors(of: configuration) {
                try add("blk.\(layer).\(suffix)", role, layer: layer)
            }
        }
        try add("output_norm.weight", .outputNorm)
        try add("output.weight", .output, isRequired: false)
        try add("rope_freqs.weight", .ropeFactors, isRequired: false)
        guard unused.isEmpty else {
            let names = unused.sorted()
            throw ConversionError(
                "the source holds \(names.count) tensors that this architecture does not use, first '\(names[0])'"
            )
        }
        self.tensors = tensors
    }

    private static func blockTensors(of configuration: ModelConfiguration) -> [(String, TensorRole)] {
        var tensors: [(String, TensorRole)] = [
            ("attn_norm.weight", .attentionNorm), ("attn_q.weight", .query), ("attn_k.weight", .key),
            ("attn_v.weight", .value), ("attn_output.weight", .attentionOutput),
            ("ffn_norm.weight", .feedForwardNorm),
            ("ffn_gate.weight", .gate), ("ffn_up.weight", .up), ("ffn_down.weight", .down),
        ]
        if configuration.hasAttentionBias {
            tensors += [("attn_q.bias", .queryBias), ("attn_k.bias", .keyBias), ("attn_v.bias", .valueBias)]
        }
        if configuration.hasAttentionOutputBias { tensors.append(("attn_output.bias", .attentionOutputBias)) }
        if configuration.hasQueryKeyNorm {
            tensors += [("attn_q_norm.weight", .queryNorm), ("attn_k_norm.weight", .keyNorm)]
        }
        if configuration.hasPostNorms {
            tensors += [
                ("post_attention_norm.weight", .postAttentionNorm),
                ("post_ffw_norm.weight", .postFeedForwardNorm),
            ]
        }
        return tensors
    }
}

extension PlannedTensor {
    fileprivate init(
        _ source: GGUFTensor, _ role: TensorRole, layer: Int?, configuration: ModelConfiguration,
        encodings: EncodingChoice
    ) {
        let isHead = role == .output || (role == .tokenEmbedding && configuration.hasTiedEmbeddings)
        let wanted = isHead || role == .tokenEmbedding ? encodings.head : encodings.weights
        let encoding: TensorEncoding
        if role.isVector {
            encoding = .vector
        } else if wanted.accepts(columns: source.columns) {
            encoding = wanted
        } else {
            encoding = .float16
        }
        self.source = source
        self.role = role
        self.layer = layer
        self.encoding = encoding
        isWidened = !role.isVector && encoding != wanted
        let isInterleaved =
            configuration.family == .llama && [.query, .key, .queryBias, .keyBias].contains(role)
        interleavedHeadSize = isInterleaved ? configuration.headSize : nil
    }
}
