// SPDX-License-Identifier: Apache-2.0
// Which tensor of a model folder is which tensor of the model. Hugging Face rotates halves of a head, as the
// kernels do, so that no rows change places; Gemma's norms lack the 1 that GGUF adds.

import Formats
import JSON
import Quantization
import Tokenization

extension ModelSource {
    /// Reads everything of a folder but its tensors' numbers.
    init(folder: ModelFolder) throws {
        let names = FolderTensorNames(folder)
        let configuration = try ModelConfiguration(
            folder: folder, hasHead: folder.weights.tensor(named: names.head) != nil)
        try configuration.validate()
        let (tensors, remarks) = try Self.tensors(of: folder, names, configuration)
        try TensorPlan.requireShapes(of: tensors, configuration)
        let vocabulary = try importTokenizer(from: folder, vocabularySize: configuration.vocabularySize)
        let architecture =
            try folder.config["architectures"]?[0]?.stringValue ?? folder.text.string("model_type")
        let byteCount = folder.weights.files.reduce(0) { $0 + $1.file.bytes.count }
        let types = folder.weights.files.flatMap { $0.file.tensors.map(\.type.rawValue) }
        self.init(
            name: folder.name,
            architecture: architecture,
            license: folder.license, fileName: folder.name, format: "safetensors", byteCount: byteCount,
            types: Set(types).sorted(), hash: .bytes(folder.weights.files.map(\.file.bytes)),
            configuration: configuration, tokenizer: try TokenizerBuilder(vocabulary: vocabulary).build(),
            chatTemplate: folder.chatTemplate, generation: try Self.sampling(folder.generation),
            tensors: tensors, headScaling: HeadScaling(layerCount: configuration.layerCount),
            remarks: remarks, readByteCount: byteCount)
    }

    /// What `generation_config.json` recommends.
    private static func sampling(_ settings: Settings?) throws -> JSON {
        var object = JSON.Object()
        for key in ["temperature", "top_p", "top_k", "min_p", "repetition_penalty"] {
            guard let settings, try settings.optionalFloat(key) != nil else { continue }
            object[key] = settings[key]
        }
        return object.isEmpty ? .null : .object(object)
    }

    private static func tensors(
        of folder: ModelFolder, _ names: FolderTensorNames, _ configuration: ModelConfiguration
    ) throws -> (tensors: [SourceTensor], remarks: [String]) {
        var tensors: [SourceTensor] = []
        var unused = Set(folder.weights.tensorNames)
        func add(_ name: String, _ role: TensorRole, layer: Int? = nil) throws {
            guard let (tensor, bytes) = folder.weights.tensor(named: name) else {
                throw ConversionError("tensor \(name) is missing")
            }
            unused.remove(name)
            tensors.append(try SourceTensor(tensor, bytes, role, layer: layer, configuration))
        }
        try add(names.embedding, .tokenEmbedding)
        for layer in 0..<configuration.layerCount {
            for (suffix, role) in FolderTensorNames.layerTensors(of: configuration) {
                try add("\(names.prefix)layers.\(layer).\(suffix)", role, layer: layer)
            }
        }
        try add(names.norm, .outputNorm)
        if !configuration.hasTiedEmbeddings {
            try add(names.head, .output)
        } else if let (_, head) = folder.weights.tensor(named: names.head) {
            guard head.elementsEqual(tensors[0].bytes) else {
                throw ConversionError(
                    "\(names.head) differs from \(names.embedding), but config.json says that both are tied")
            }
            unused.remove(names.head)
        }
        let ignored = unused.filter(names.isIgnored)
        unused.subtract(ignored)
        try requireNone(of: unused)
        let vision = ignored.count { !$0.hasSuffix("inv_freq") }
        let remark = "\(vision) tensors for images are left out: the language model alone is converted"
        return (tensors, vision > 0 ? [remark] : [])
    }
}

/// The names of a folder's tensors: bare, or inside of a model that sees images as well.
struct FolderTensorNames {
    /// What stands before the names of the language model.
    let prefix: String
    let head: String

    init(_ folder: ModelFolder) {
        let prefixes = [
            ("model.", "lm_head.weight"), ("language_model.model.", "language_model.lm_head.weight"),
            ("model.language_model.", "lm_head.weight"),
        ]
        let found = prefixes.first { folder.weights.tensor(named: "\($0.0)embed_tokens.weight") != nil }
        (prefix, head) = found ?? prefixes[0]
    }

    var embedding: String { "\(prefix)embed_tokens.weight" }
    var norm: String { "\(prefix)norm.weight" }

    /// Whether the language model does without a tensor: the parts that see, and RoPE's frequencies, which old
    /// versions saved.
    func isIgnored(_ name: String) -> Bool {
        if name.hasSuffix(".rotary_emb.inv_freq") { return true }
        let seeing = ["vision_tower.", "multi_modal_projector."]
        return prefix != "model." && seeing.contains { name.hasPrefix($0) || name.hasPrefix("model.\($0)") }
    }

    static func layerTensors(of configuration: ModelConfiguration) -> [(String, TensorRole)] {
        var tensors: [(String, TensorRole)] = [
            ("input_layernorm.weight", .attentionNorm), ("self_attn.q_proj.weight", .query),
            ("self_attn.k_proj.weight", .key), ("self_attn.v_proj.weight", .value),
            ("self_attn.o_proj.weight", .attentionOutput),
            (
                configuration.hasPostNorms
                    ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight", .feedForwardNorm
            ),
            ("mlp.gate_proj.weight", .gate), ("mlp.up_proj.weight", .up), ("mlp.down_proj.weight", .down),
        ]
        if configuration.hasAttentionBias {
            tensors += [
                ("self_attn.q_proj.bias", .queryBias), ("self_attn.k_proj.bias", .keyBias),
                ("self_attn.v_proj.bias", .valueBias),
            ]
        }
        if configuration.hasAttentionOutputBias {
            tensors.append(("self_attn.o_proj.bias", .attentionOutputBias))
        }
        if configuration.hasQueryKeyNorm {
            tensors += [("self_attn.q_norm.weight", .queryNorm), ("self_attn.k_norm.weight", .keyNorm)]
        }
        if configuration.hasPostNorms {
            tensors += [
                ("post_attention_layernorm.weight", .postAttentionNorm),
                ("post_feedforward_layernorm.weight", .postFeedForwardNorm),
            ]
        }
        return tensors
    }
}

extension SourceTensor {
    /// - Throws: `ConversionError` for a type that is not read, and for more dimensions than two.
    fileprivate init(
        _ tensor: SafetensorsTensor, _ bytes: ByteView, _ role: TensorRole, layer: Int?,
        _ configuration: ModelConfiguration
    ) throws {
        let types: [SafetensorsType: GGMLType] = [.f32: .f32, .f16: .f16, .bf16: .bf16]
        guard let type = types[tensor.type] else {
            throw ConversionError(
                "tensor \(tensor.name) is of type \(tensor.type.rawValue), expected F32, F16 or BF16")
        }
        guard tensor.shape.count == (role.isVector ? 1 : 2) else {
            throw ConversionError(
                "tensor \(tensor.name) has the shape \(tensor.shape), expected \(role.isVector ? 1 : 2) dimensions"
            )
        }
        let isNorm =
            role.isVector && ![.queryBias, .keyBias, .valueBias, .attentionOutputBias].contains(role)
        self.init(
            name: tensor.name, role: role, layer: layer, rows: role.isVector ? 1 : tensor.shape[0],
            columns: tensor.shape.last ?? 0, storage: .blocks(type), bytes: bytes,
            addend: configuration.family == .gemma3 && isNorm ? 1 : 0)
    }
}
