// SPDX-License-Identifier: Apache-2.0
// A model's weights as views of the mapped file: loading is looking up addresses.

import Formats
import Kernels
import Quantization

/// The weights of one transformer block. Matrices are [output × input].
package struct BlockWeights: Sendable {
    package struct Attention: Sendable {
        package let norm: WeightVector
        package let query, key, value, output: WeightMatrix
        package let queryBias, keyBias, valueBias, outputBias: WeightVector?
        /// What a cache that rounds leaves out of the key bias, where that is large.
        package let separateKeyBias: KeyBias?
        package let queryNorm, keyNorm: WeightVector?
        package let postNorm: WeightVector?
        /// Tokens that a position sees, itself included; nil sees all.
        package let window: Int?
        /// Which of the model's rotary tables turns this block's queries and keys.
        package let usesLocalRotary: Bool
        /// [headCount · headSize], what turns the heads' outputs into the source's; nil where they are.
        let headFactors: [Float]?

        /// What the block reads first.
        var projections: UpcomingWeights { UpcomingWeights(query, key, value) }

        /// Whether a projection of the normalized stream reads its 8-bit form.
        var readsCodes: Bool {
            query.inputForm == .codes || key.inputForm == .codes || value.inputForm == .codes
        }
    }

    package struct FeedForward: Sendable {
        package let norm: WeightVector
        package let gate, up, down: WeightMatrix
        package let postNorm: WeightVector?

        /// Whether a projection of the normalized stream reads its 8-bit form.
        var readsCodes: Bool { gate.inputForm == .codes || up.inputForm == .codes }
    }

    package let attention: Attention
    package let feedForward: FeedForward
}

/// A loaded model: configuration, weights in place, rotary tables. Immutable; the file stays mapped with it.
package final class Model: Sendable {
    package let file: TillerFile
    /// Keeps the other file's weights mapped.
    private let substitute: TillerFile?
    package let configuration: ModelConfiguration
    package let tokenEmbedding: WeightTable
    package let outputNorm: WeightVector
    /// The head; the embedding itself where both are tied.
    package let output: WeightTable
    package let blocks: [BlockWeights]
    package let rotary: RotaryTable
    package let localRotary: RotaryTable

    /// Looks up every tensor of the file.
    ///
    /// - Throws: `FormatError` where a required tensor is missing or has another shape.
    package convenience init(file: TillerFile) throws(FormatError) {
        try self.init(TensorViews(file: file))
    }

    /// Looks up some matrices in another file: another conversion of the same source, by the same statistics.
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
        let factors = tensors.optionalVector(.ropeFactors).map { factors in
            (0..<factors.count).map { factors.baseAddress[$0] }
        }
        rotary = RotaryTable(configuration: configuration, frequencyFactors: factors)
        localRotary = RotaryTable(localLayersOf: configuration)
        var blocks: [BlockWeights] = []
        blocks.reserveCapacity(configuration.layerCount)
        for layer in 0..<configuration.layerCount {
            blocks.append(
                try Self.block(layer, of: tensors, configuration, rotary: rotary, localRotary: localRotary))
        }
        self.blocks = blocks
    }

    /// Bytes of weights that one generated token reads.
    package var bytesByToken: Int {
        let matrices = blocks.flatMap { block in
            let (attention, feedForward) = (block.attention, block.feedForward)
            return [
                attention.query, attention.key, attention.value, attention.output, feedForward.gate,
                feedForward.up, feedForward.down,
            ]
        }
        return matrices.reduce(output.byteCount) { $0 + $1.byteCount }
    }

    private static func block(
        _ layer: Int, of tensors: TensorViews, _ configuration: ModelConfiguration, rotary: RotaryTable,
        localRotary: RotaryTable
    ) throws(FormatError) -> BlockWeights {
        let isSliding = configuration.hasSlidingWindow(layer: layer)
        let usesLocalRotary = isSliding && configuration.localRopeTheta != nil
        let (norm, key) = (try tensors.vector(.attentionNorm, layer), try tensors.matrix(.key, layer))
        let keyBias = tensors.optionalVector(.keyBias, layer)
        let keyNorm = tensors.optionalVector(.keyNorm, layer)
        // A norm after the bias would change it with the rest of the key.
        let separateKeyBias =
            keyNorm != nil
            ? nil
            : keyBias.flatMap {
                KeyBias(
                    $0, keys: key, gains: norm, rotary: usesLocalRotary ? localRotary : rotary,
                    headSize: configuration.headSize)
            }
        return BlockWeights(
            attention: .init(
                norm: norm, query: try tensors.matrix(.query, layer), key: key,
                value: try tensors.matrix(.value, layer), output: try tensors.matrix(.attentionOutput, layer),
                queryBias: tensors.optionalVector(.queryBias, layer),
                keyBias: keyBias,
                valueBias: tensors.optionalVector(.valueBias, layer),
                outputBias: tensors.optionalVector(.attentionOutputBias, layer),
                separateKeyBias: separateKeyBias,
                queryNorm: tensors.optionalVector(.queryNorm, layer),
                keyNorm: keyNorm,
                postNorm: tensors.optionalVector(.postAttentionNorm, layer),
                window: isSliding ? configuration.slidingWindow : nil,
                usesLocalRotary: usesLocalRotary,
                headFactors: tensors.file.headScaling?.outputFactors(layer: layer, configuration)),
            feedForward: .init(
                norm: try tensors.vector(.feedForwardNorm, layer),
                gate: try tensors.matrix(.gate, layer), up: try tensors.matrix(.up, layer),
                down: try tensors.matrix(.down, layer),
                postNorm: tensors.optionalVector(.postFeedForwardNorm, layer)))
    }
}
