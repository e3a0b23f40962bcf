// SPDX-License-Identifier: Apache-2.0
// Maps the tensors of a GGUF to those of the model.

import Formats
import Models
import Platform
import Platform
import Tokenization

extension ModelSource {
    /// Reads a GGUF except for the numbers in its tensors.
    ///
    /// - Parameters:
    ///   - parts: the open file, or files.
    ///   - path: the path of one of them.
    /// - Throws: `ConversionError`, `FormatError`, `TokenizerImportError` or `TokenizerError`.
    package init(gguf parts: GGUFParts, path: String) throws {
        let file = parts.first
        let byteCount = parts.bytes.reduce(0) { $0 + $1.count }
        // What is not tensors describes the model and its vocabulary; hash tables and strings take several times as much.
        let tables = byteCount - parts.tensors.reduce(0) { $0 + $1.byteCount }
        try SystemMemory.requireRoom(byteCount: Self.smallByteCount + 16 * tables)
        let parameters = try GGUFParameters(file.metadata, tensors: parts.tensorsByName)
        let family = try ModelFamilies.reading(architecture: parameters.name)
        let configuration = try parameters.configuration(family)
        try configuration.validate()
        let vocabulary = try importTokenizer(from: file)
        try Self.requireRows(forTokenCount: vocabulary.texts.count, configuration)
        self.init(
            name: file.metadata["general.name"]?.string ?? path.fileName,
            architecture: parameters.name,
            license: file.metadata["general.license"]?.string ?? "", fileName: path.fileName, format: "GGUF",
            byteCount: byteCount, types: Set(parts.tensors.map(\.type.name)).sorted(),
            hash: .bytes(parts.bytes), configuration: configuration,
            tokenizer: try TokenizerBuilder(vocabulary: vocabulary).build(),
            chatTemplate: file.metadata["tokenizer.chat_template"]?.string,
            tensors: try Self.tensors(of: parts, family, configuration),
            headScaling: HeadScaling(layerCount: configuration.layerCount), family: family,
            readByteCount: byteCount)
    }

    /// - Throws: `ConversionError` if the embedding lacks a row for some token.
    static func requireRows(forTokenCount count: Int, _ configuration: ModelConfiguration) throws {
        guard count <= configuration.vocabularySize else {
            throw ConversionError(
                "the tokenizer has \(count) tokens, the embedding \(configuration.vocabularySize) rows; expected a row "
                    + "for each token")
        }
    }

    private static func tensors(
        of parts: GGUFParts, _ family: any ModelFamily.Type, _ configuration: ModelConfiguration
    ) throws -> [SourceTensor] {
        var tensors: [SourceTensor] = []
        var unused = Set(parts.tensors.map(\.name))
        for (role, layer) in TensorRole.written(for: configuration) {
            let places = family.places(of: role, layer: layer, in: .gguf, configuration)
            let pieces = try places.map { place in
                let name = place.fullName(layer: layer, in: .gguf)
                guard let (tensor, bytes) = parts.tensor(named: name) else {
                    throw ConversionError("tensor \(name) is missing")
                }
                unused.remove(name)
                var source = SourceTensor(
                    name: name, role: role, layer: layer, rows: tensor.rows, columns: tensor.columns,
                    storage: .blocks(tensor.type), bytes: bytes)
                source.interleavedHeadSize = family.interleavedHeadSize(of: role, in: .gguf, configuration)
                if role == .convolution { source = try source.flattened() }
                return try source.taking(place.rows)
            }
            tensors.append(try .stacking(pieces))
        }
        try requireNone(of: unused)
        return tensors
    }

    /// - Throws: `ConversionError` that names the first unused tensor.
    static func requireNone(of unused: Set<String>) throws {
        guard let first = unused.min() else { return }
        throw ConversionError(
            "the source holds \(unused.count) tensors that this architecture does not use, first '\(first)'")
    }
}
