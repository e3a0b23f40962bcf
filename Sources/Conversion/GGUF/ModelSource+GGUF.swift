// SPDX-License-Identifier: Apache-2.0
// Which tensor of a GGUF is which tensor of the model.

import Formats
import Tokenization

extension ModelSource {
    /// Reads everything of a GGUF but its tensors' numbers.
    ///
    /// - Parameters:
    ///   - file: the open file.
    ///   - bytes: all of its bytes.
    ///   - path: where it lies.
    /// - Throws: `ConversionError`, `FormatError`, `TokenizerImportError` or `TokenizerError`.
    package init(gguf file: GGUFFile, bytes: ByteView, path: String) throws {
        let configuration = try ModelConfiguration(gguf: file)
        try configuration.validate()
        let vocabulary = try importTokenizer(from: file)
        try Self.requireRows(forTokenCount: vocabulary.texts.count, configuration)
        let fileName = path.split(separator: "/").last.map(String.init) ?? path
        self.init(
            name: file.metadata["general.name"]?.string ?? fileName,
            architecture: file.metadata["general.architecture"]?.string ?? "",
            license: file.metadata["general.license"]?.string ?? "", fileName: fileName, format: "GGUF",
            byteCount: bytes.count, types: Set(file.tensors.map(\.type.name)).sorted(),
            hash: .bytes([bytes]), configuration: configuration,
            tokenizer: try TokenizerBuilder(vocabulary: vocabulary).build(),
            chatTemplate: file.metadata["tokenizer.chat_template"]?.string,
            tensors: try Self.tensors(of: file, configuration),
            headScaling: HeadScaling(layerCount: configuration.layerCount), readByteCount: bytes.count)
    }

    /// - Throws: `ConversionError` where the embedding has no row for some token.
    static func requireRows(forTokenCount count: Int, _ configuration: ModelConfiguration) throws {
        guard count <= configuration.vocabularySize else {
            throw ConversionError(
                "the tokenizer has \(count) tokens, the embedding \(configuration.vocabularySize) rows; expected a row "
                    + "for each token")
        }
    }

    private static func tensors(of file: GGUFFile, _ configuration: ModelConfiguration) throws
        -> [SourceTensor]
    {
        var tensors: [SourceTensor] = []
        var unused = Set(file.tensors.map(\.name))
        func add(_ name: String, _ role: TensorRole, layer: Int? = nil, isRequired: Bool = true) throws {
            guard let tensor = file.tensor(named: name) else {
                guard !isRequired else { throw ConversionError("tensor \(name) is missing") }
                return
            }
            unused.remove(name)
            tensors.append(SourceTensor(tensor, of: file, role, layer: layer, configuration))
        }
        try add("token_embd.weight", .tokenEmbedding)
        for layer in 0..<configuration.layerCount {
            for (suffix, role) in blockTensors(of: configuration) {
                try add("blk.\(layer).\(suffix)", role, layer: layer)
            }
        }
        try add("output_norm.weight", .outputNorm)
        try add("output.weight", .output, isRequired: false)
        try add("rope_freqs.weight", .ropeFactors, isRequired: false)
        try requireNone(of: unused)
        return tensors
    }

    /// - Throws: `ConversionError` that names the first of the tensors that have no place.
    static func requireNone(of unused: Set<String>) throws {
        guard let first = unused.min() else { return }
        throw ConversionError(
            "the source holds \(unused.count) tensors that this architecture does not use, first '\(first)'")
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

extension SourceTensor {
    fileprivate init(
        _ tensor: GGUFTensor, of file: GGUFFile, _ role: TensorRole, layer: Int?,
        _ configuration: ModelConfiguration
    ) {
        let isInterleaved =
            configuration.family == .llama && [.query, .key, .queryBias, .keyBias].contains(role)
        self.init(
            name: tensor.name, role: role, layer: layer, rows: tensor.rows, columns: tensor.columns,
            storage: .blocks(tensor.type), bytes: file.view(of: tensor),
            interleavedHeadSize: isInterleaved ? configuration.headSize : nil)
    }
}
