// SPDX-License-Identifier: Apache-2.0
// A loaded model: tensors are looked up in the mapped file.

import Formats
import Kernels
import Quantization

/// A loaded model: configuration, weights in place, rotary tables. Immutable; keeps the file mapped.
package final class Model: Sendable {
    package let file: TillerFile
    /// Keeps the other file's weights mapped.
    private let substitute: TillerFile?
    package let configuration: ModelConfiguration
    package let tokenEmbedding: VocabularyMatrix
    package let outputNorm: WeightVector
    /// The head; the embedding itself where the two are tied.
    package let output: VocabularyMatrix
    package let blocks: [BlockWeights]
    private let rotaries: [Rotary]

    /// Looks up every tensor of the file.
    ///
    /// - Throws: `FormatError` where a required tensor is missing or has another shape.
    package convenience init(file: TillerFile) throws(FormatError) {
        try self.init(TensorViews(file: file))
    }

    /// Takes some matrices from another file: another conversion of the same source with the same statistics.
    ///
    /// - Throws: `FormatError` where a required tensor is missing or has another shape.
    package convenience init(
        file: TillerFile, substitute: TillerFile, takes: @escaping (TensorRole, Int?) -> Bool
    ) throws(FormatError) {
        try self.init(TensorViews(file: file, substitute: (substitute, takes)))
    }

    private init(_ tensors: TensorViews) throws(FormatError) {
        let configuration = tensors.file.manifest.configuration
        try tensors.file.tensorIndex.validate(against: configuration)
        file = tensors.file
        substitute = tensors.substitute?.file
        self.configuration = configuration
        tokenEmbedding = try tensors.table(.tokenEmbedding)
        outputNorm = try tensors.vector(.outputNorm)
        output = configuration.hasTiedEmbeddings ? tokenEmbedding : try tensors.table(.output)
        func factors(_ role: TensorRole) -> [Float]? {
            tensors.optionalVector(role).map { vector in
                (0..<vector.count).map { vector.baseAddress[$0] }
            }
        }
        let rotaries = configuration.rotaries.enumerated().map { index, plan in
            index == 0
                ? Rotary(plan, factors: factors(.ropeFactors), longFactors: factors(.ropeLongFactors))
                : Rotary(plan)
        }
        var next: PrefetchHint?
        var blocks: [BlockWeights] = []
        blocks.reserveCapacity(configuration.layerCount)
        for layer in configuration.layers.indices.reversed() {
            let block = try BlockWeights(layer, of: tensors, configuration, rotaries, next: next)
            next = block.first
            blocks.append(block)
        }
        self.blocks = blocks.reversed()
        self.rotaries = rotaries
    }

    /// Bytes of weights read per generated token.
    package var bytesPerToken: Int {
        blocks.reduce(output.byteCount) { $0 + $1.bytesPerToken }
    }

    /// The rotary tables for a context of this length.
    func rotaryTables(contextLength: Int) -> [RotaryTable] {
        Set(configuration.layers.compactMap { $0.attention?.rotary }).sorted().map {
            rotaries[$0].table(contextLength: contextLength)
        }
    }
}
