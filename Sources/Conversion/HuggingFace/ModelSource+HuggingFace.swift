// SPDX-License-Identifier: Apache-2.0
// Maps the tensors of a model folder to those of the model. Most families of Hugging Face rotate halves of a head, as the kernels
// do, so rows keep their order.

import Formats
import Glibc
import JSON
import Models
import Quantization
import Tokenization

extension ModelSource {
    /// Reads a folder except for the numbers in its tensors.
    init(folder: HuggingFaceModel) throws {
        let weights = try FolderTensors(folder)
        let names = try HuggingFaceTensorNames(weights.names, seesImages: folder.config["text_config"] != nil)
        let family = try ModelFamilies.reading(folder.text)
        let parameters = try HuggingFaceParameters(
            config: folder.config, text: folder.text, hasHead: names.hasHead)
        let configuration = try parameters.configuration(family)
        try configuration.validate()
        let (tensors, remarks) = try Self.tensors(
            of: weights, names, family, configuration, factors: parameters.frequencyFactors(configuration))
        try TensorPlan.requireShapes(of: tensors, configuration)
        try Self.requireRows(forAddedTokensOf: folder, configuration, except: family.tokensWithoutRow)
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
            tensors: tensors, headScaling: HeadScaling(layerCount: configuration.layerCount), family: family,
            remarks: remarks, readByteCount: byteCount)
    }

    /// The recommendations of `generation_config.json`.
    private static func sampling(_ settings: JSONSection?) throws -> JSON {
        var object = JSON.Object()
        for key in ["temperature", "top_p", "top_k", "min_p", "repetition_penalty"] {
            guard let settings, try settings.optionalFloat(key) != nil else { continue }
            object[key] = settings[key]
        }
        return object.isEmpty ? .null : .object(object)
    }

    private static func tensors(
        of weights: FolderTensors, _ names: HuggingFaceTensorNames, _ family: any ModelFamily.Type,
        _ configuration: ModelConfiguration, factors: [TensorRole: [Float]]
    ) throws -> (tensors: [SourceTensor], remarks: [String]) {
        var tensors: [SourceTensor] = []
        var unused = Set(weights.names)
        // A tied matrix is stored once, under either name.
        let isTied = configuration.hasTiedEmbeddings
        let isUnderHead = isTied && names.stored(names.embedding) == nil && names.hasHead
        for (role, layer) in TensorRole.written(for: configuration) {
            if let factors = factors[role] {
                tensors.append(SourceTensor(role, factors))
                continue
            }
            let places = family.places(of: role, layer: layer, in: .folder, configuration)
            let pieces = try places.map { place in
                let isHead = role == .tokenEmbedding && isUnderHead
                let name = isHead ? names.head : place.fullName(layer: layer, in: .folder)
                guard let stored = names.stored(name), let tensor = try weights.tensor(named: stored) else {
                    throw ConversionError("tensor \(names.expected(name)) is missing")
                }
                unused.remove(stored)
                var source = try SourceTensor(stored, tensor, role, layer: layer)
                if role.isNorm { source.addend = family.normOffsetInFolder }
                source.interleavedHeadSize = family.interleavedHeadSize(of: role, in: .folder, configuration)
                if role == .convolution { source = try source.flattened() }
                if role == .deltaDecayRate { source = try source.negativeExponentials() }
                return try source.taking(place.rows)
            }
            tensors.append(try .stacking(pieces))
        }
        if isTied, !isUnderHead, let stored = names.stored(names.head) {
            guard try weights.tensor(named: stored)?.bytes.elementsEqual(tensors[0].bytes) == true else {
                throw ConversionError(
                    "\(stored) differs from \(tensors[0].name), but config.json says that both are tied")
            }
            unused.remove(stored)
        }
        let ignored = unused.filter { names.isIgnored($0) || weights.isZeroBias($0) }
        unused.subtract(ignored)
        try requireNone(of: unused)
        let vision = ignored.count(where: names.isForImages)
        let remark = "\(vision) tensors for images are left out: only the language model is converted"
        return (tensors, [weights.remark, vision > 0 ? remark : nil].compactMap(\.self))
    }

    /// Every token has a row of the embedding, except for tokens that no text encodes to.
    private static func requireRows(
        forAddedTokensOf folder: HuggingFaceModel, _ configuration: ModelConfiguration,
        except unmade: Set<String>
    ) throws {
        for token in try folder.tokenizer.objects("added_tokens") {
            let (id, content) = (try token.integer("id"), try token.string("content"))
            guard id < configuration.vocabularySize || unmade.contains(content) else {
                throw token.refusal(
                    "id", "\(id), of the token '\(content)'",
                    expected: "less than \(configuration.vocabularySize), the rows of the embedding")
            }
        }
    }
}

/// The names of a folder's tensors: transformers accepts them with and without the prefix of a model that wraps the language
/// model.
struct HuggingFaceTensorNames {
    let embedding = "embed_tokens.weight", head = "lm_head.weight"
    /// Stored names, by the name within the language model.
    private let storedNames: [String: String]
    /// The most common prefix, for errors.
    private let prefix: String
    /// Whether the folder's model also has image input.
    private let seesImages: Bool

    /// The longest first: the rest of a name must not begin with another prefix.
    private static let prefixes = [
        "model.language_model.", "language_model.model.", "model.model.", "language_model.", "model.",
    ]

    /// - Throws: `ConversionError` if two tensor names differ only by a prefix.
    init(_ names: [String], seesImages: Bool) throws {
        var storedNames: [String: String] = [:]
        for name in names.sorted() {
            let inner = Self.inner(name)
            if let other = storedNames.updateValue(name, forKey: inner) {
                throw ConversionError("\(other) and \(name) are the same tensor under two names")
            }
        }
        self.storedNames = storedNames
        prefix = storedNames["norm.weight"].map { Self.prefix(of: $0) } ?? "model."
        self.seesImages = seesImages
    }

    private static func prefix(of name: String) -> String { prefixes.first { name.hasPrefix($0) } ?? "" }

    /// The name within the language model.
    static func inner(_ name: String) -> String { String(name.dropFirst(prefix(of: name).count)) }

    /// The stored name of a tensor of the language model; nil if there is none.
    func stored(_ name: String) -> String? { storedNames[name] }

    var hasHead: Bool { stored(head) != nil }

    /// The name under which a tensor is expected.
    func expected(_ name: String) -> String { name == head ? name : prefix + name }

    /// Whether the language model ignores a tensor: the vision parts, and RoPE's frequencies, which old versions saved.
    func isIgnored(_ name: String) -> Bool {
        // The second kind are extra layers that predict several tokens at once; the model's own do without.
        name.hasSuffix(".rotary_emb.inv_freq") || name.hasPrefix("mtp.") || isForImages(name)
    }

    func isForImages(_ name: String) -> Bool {
        let seeing = ["vision_tower.", "multi_modal_projector.", "visual."]
        return seesImages && seeing.contains { name.hasPrefix($0) || name.hasPrefix("model.\($0)") }
    }
}

extension SourceTensor {
    /// Factors of RoPE's frequencies, which a folder stores in `config.json`.
    fileprivate init(_ role: TensorRole, _ factors: [Float]) {
        self.init(role, layer: nil, name: "\(role)", factors)
    }

    private init(_ role: TensorRole, layer: Int?, name: String, _ values: [Float]) {
        self.init(
            name: name, role: role, layer: layer, rows: 1, columns: values.count, storage: .blocks(.f32),
            bytes: values.withUnsafeBytes { ByteView(copying: $0) })
    }

    /// −e^x of a vector's numbers: the rates of which a folder stores the logarithms.
    ///
    /// - Throws: `ConversionError` unless the tensor is whole.
    fileprivate func negativeExponentials() throws -> SourceTensor {
        guard isWhole, rows == 1 else {
            throw ConversionError("tensor \(name) is [\(rows) × \(columns)], expected one whole row")
        }
        var values = [Float](repeating: 0, count: columns)
        values.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress { decode(row: 0, into: base) }
        }
        return SourceTensor(role, layer: layer, name: name, values.map { Float(-exp(Double($0))) })
    }

    /// - Throws: `ConversionError` for an unsupported type, and for more than two dimensions.
    fileprivate init(
        _ name: String, _ tensor: FolderTensors.Tensor, _ role: TensorRole, layer: Int?
    ) throws {
        switch tensor {
        case .plain(let tensor, let bytes): try self.init(tensor, bytes, role, layer: layer)
        case .quantized(let matrix, let bytes):
            guard !role.isVector else {
                throw ConversionError("tensor \(name) is a quantized matrix, expected a vector")
            }
            self.init(
                name: name, role: role, layer: layer, rows: matrix.rows, columns: matrix.columns,
                storage: .quantized(matrix), bytes: bytes)
        }
    }

    private init(
        _ tensor: SafetensorsTensor, _ bytes: ByteView, _ role: TensorRole, layer: Int?
    ) throws {
        guard let type = GGMLType(tensor.type) else {
            throw ConversionError(
                "tensor \(tensor.name) is of type \(tensor.type.rawValue), expected F32, F16 or BF16")
        }
        // A third dimension stacks the experts of a mixture.
        let isStacked = [.gate, .up, .down].contains(role) && tensor.shape.count == 3
        // [channels × 1 × width]
        let isConvolution = role == .convolution && tensor.shape.count == 3 && tensor.shape[1] == 1
        guard isStacked || isConvolution || tensor.shape.count == (role.isVector ? 1 : 2) else {
            throw ConversionError(
                "tensor \(tensor.name) has the shape \(tensor.shape), expected \(role.isVector ? 1 : 2) dimensions"
            )
        }
        self.init(
            name: tensor.name, role: role, layer: layer, rows: tensor.shape.dropLast().reduce(1, *),
            columns: tensor.shape.last ?? 0, storage: .blocks(type), bytes: bytes)
    }
}

extension GGMLType {
    /// The types of weights in safetensors files; nil for others.
    init?(_ type: SafetensorsType) {
        switch type {
        case .f32: self = .f32
        case .f16: self = .f16
        case .bf16: self = .bf16
        default: return nil
        }
    }
}
