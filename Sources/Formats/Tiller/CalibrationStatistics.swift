// SPDX-License-Identifier: Apache-2.0
// A quantizer's statistics of a model's activations (the importance matrix, imatrix), and the section that stores them
// (formats/tiller.md §3.4), so that a file can be converted to another encoding without a second calibration.

import Glibc

/// The inputs of a model's matrices.
package enum MatrixInput: Hashable, Sendable {
    /// The input of queries, keys and values, or of a convolution: the residual stream, normalized where the layer has a norm before.
    case attention(Int)
    /// The input of the output projection of attention, or of a convolution.
    case outputProjection(Int)
    /// The input of gate and up, and of a mixture's router.
    case feedForward(Int)
    /// The input of down; in a mixture the inputs of all experts together.
    case downProjection(Int)
    case head

    /// The inputs within a layer, in the order of the section.
    package static func all(ofLayer layer: Int) -> [MatrixInput] {
        [.attention(layer), .outputProjection(layer), .feedForward(layer), .downProjection(layer)]
    }

    /// All inputs in the order of the section.
    package static func all(of configuration: ModelConfiguration) -> [MatrixInput] {
        (0..<configuration.layerCount).flatMap { all(ofLayer: $0) } + [.head]
    }

    /// The matrices that read this input, of those that the layer has.
    package var readers: [TensorRole] {
        switch self {
        case .attention:
            [
                .query, .key, .value, .attentionGate, .convolutionInput, .deltaInput, .deltaGate, .deltaBeta,
                .deltaDecay,
            ]
        case .outputProjection: [.attentionOutput, .convolutionOutput, .deltaOutput]
        case .feedForward: [.router, .gate, .up]
        case .downProjection: [.down]
        case .head: [.output, .tokenEmbedding]
        }
    }

    /// The tensors to which this input may be proportional, column by column: a norm's gain, the rows of a matrix, a bias. Without
    /// the norm nothing in the layer produces its input.
    package var producers: [TensorRole] {
        switch self {
        case .attention: [.attentionNorm]
        case .outputProjection: [.value, .valueBias]
        case .feedForward: [.feedForwardNorm]
        case .downProjection: [.up]
        case .head: []
        }
    }

    package func columns(in configuration: ModelConfiguration) -> Int {
        switch self {
        case .attention, .feedForward, .head: configuration.hiddenSize
        case .outputProjection(let layer):
            switch configuration.layers[layer].mixer {
            case .attention: configuration.querySize
            case .convolution: configuration.hiddenSize
            case .deltaRule(let rule): rule.valueSize
            }
        case .downProjection(let layer): configuration.intermediateSize(ofLayer: layer)
        }
    }

    /// The input of a matrix; nil for vectors, and for an embedding that is only used for look-up.
    package init?(of role: TensorRole, layer: Int?, in configuration: ModelConfiguration) {
        if role == .tokenEmbedding, !configuration.hasTiedEmbeddings { return nil }
        let inputs = layer.map(Self.all(ofLayer:)) ?? [.head]
        guard let input = inputs.first(where: { $0.readers.contains(role) }) else { return nil }
        self = input
    }
}

/// Mean squares of every matrix's input, per column.
///
/// They refer to the weights in the file, which a conversion may have rescaled (AWQ).
package struct CalibrationStatistics: Sendable, Equatable {
    /// The number of tokens in the calibration.
    package let tokenCount: Int
    /// For every input of the model, the mean squares of its columns, finite and not negative.
    package var meanSquares: [MatrixInput: [Float]]

    package init(tokenCount: Int, meanSquares: [MatrixInput: [Float]]) {
        self.tokenCount = tokenCount
        self.meanSquares = meanSquares
    }
}

extension CalibrationStatistics {
    private static let headerByteCount = 32

    /// Reads the section's bytes.
    /// - Throws: `FormatError` R39.
    init(_ view: ByteView, _ configuration: ModelConfiguration) throws(FormatError) {
        let inputs = MatrixInput.all(of: configuration)
        let expectedByteCount =
            inputs.reduce(Self.headerByteCount) { $0 + 4 + $1.columns(in: configuration) }
        guard view.count == expectedByteCount else {
            throw FormatError(
                .tillerCalibration, found: "\(view.count) bytes",
                expected: "\(expectedByteCount) for this configuration", byteOffset: view.byteOffset)
        }
        let shape = Self.shape(of: configuration)
        for (index, size) in shape.enumerated() where view.load(UInt32.self, at: 8 + 4 * index) != size {
            throw FormatError(
                .tillerCalibration, found: "the size \(view.load(UInt32.self, at: 8 + 4 * index))",
                expected: "\(size) for this configuration", byteOffset: view.byteOffset + 8 + 4 * index)
        }
        let count = view.load(UInt64.self, at: 0)
        guard count > 0, count <= 1 << 48, view.load(UInt64.self, at: 24) == 0 else {
            throw FormatError(
                .tillerCalibration, found: "\(count) tokens, or reserved bytes that are not zero",
                expected: "1 to 2^48 tokens, then zeros", byteOffset: view.byteOffset)
        }
        tokenCount = Int(count)
        meanSquares = [:]
        var position = Self.headerByteCount
        for input in inputs {
            let columns = input.columns(in: configuration)
            let largest = Float(bitPattern: view.load(UInt32.self, at: position))
            guard largest.isFinite, largest.sign == .plus else {
                throw FormatError(
                    .tillerCalibration, found: "a mean square of \(largest)",
                    expected: "a finite number that is not negative",
                    byteOffset: view.byteOffset + position)
            }
            meanSquares[input] = (0..<columns).map { column in
                let code = view[position + 4 + column]
                return code == .max ? 0 : largest * Self.halvings[Int(code)]
            }
            position += 4 + columns
        }
    }

    /// 2^(−code / 6): six steps per octave are finer than the variation between calibration texts.
    private static let halvings = (0..<255).map { exp2f(-Float($0) / 6) }

    /// The section's bytes.
    /// - Throws: `FormatError` R39 if the statistics do not fit such a model.
    package func encoded(for configuration: ModelConfiguration) throws(FormatError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(max(tokenCount, 0)))
        for size in Self.shape(of: configuration) { bytes.append(littleEndian: size) }
        bytes.append(littleEndian: UInt64(0))
        for input in MatrixInput.all(of: configuration) {
            let squares = meanSquares[input] ?? []
            let largest = squares.max() ?? 0
            bytes.append(littleEndian: largest.bitPattern)
            for square in squares {
                let code = square > 0 ? (6 * log2f(largest / square)).rounded() : 255
                bytes.append(code >= 0 && code < 255 ? UInt8(code) : 255)
            }
        }
        _ = try CalibrationStatistics(ByteView(copying: bytes), configuration)
        return bytes
    }

    private static func shape(of configuration: ModelConfiguration) -> [UInt32] {
        [
            configuration.layerCount, configuration.hiddenSize, configuration.querySize,
            configuration.intermediateSize,
        ].map { UInt32($0) }
    }
}
