// SPDX-License-Identifier: Apache-2.0
// Random Qwen2 models whose keys have large biases in a few channels: those of tools/golden/key_biases.py, made from the same
// seeds, and others like them.

import Formats
import JSON
import Platform
import Quantization
import TestSupport

package struct KeyBiasModel: Sendable, CustomStringConvertible {
    package var seed = 0
    package var layers = 2
    package var heads = 1
    package var keyValueHeads = 1
    package var headSize = 64
    /// How large the biases are, and how many channels of each head have one.
    package var bias: Float = 100
    package var channels = 2
    /// Powers of two by which keys and values are larger; queries and the projection of attention's output are as much smaller.
    package var keyFactor: Float = 1
    package var valueFactor: Float = 1
    /// Of the queries that read these channels.
    package var queryBias: Float = 1
    /// Mean KL under a cache as llama.cpp's q8_0, from an exact one.
    package var peerDivergence = 0.0

    package init() {}

    package var description: String {
        "\(layers) layers, \(heads)/\(keyValueHeads) heads of \(headSize), \(channels) biases of \(bias)"
    }

    /// The models of the golden file.
    package static func golden() throws -> [KeyBiasModel] {
        let path = packageRoot + "/Tests/Fixtures/caches/key-biases.json"
        return try (JSON.parse(readFile(path: path, limit: 1 << 20)).arrayValue ?? []).map { json in
            func integer(_ key: String) -> Int { json[key]?.intValue ?? 0 }
            var model = KeyBiasModel()
            model.seed = integer("seed")
            model.layers = integer("layers")
            model.heads = integer("heads")
            model.keyValueHeads = integer("keyValueHeads")
            model.headSize = integer("headSize")
            model.bias = Float(integer("bias"))
            model.channels = integer("channels")
            model.queryBias = Float(integer("queryBias"))
            model.peerDivergence = json["divergence"]?.doubleValue ?? 0
            return model
        }
    }

    /// Random numbers of one tensor.
    private func stream(_ number: UInt16, layer: Int = 0) -> SplitMix64 {
        SplitMix64(seed: UInt64(seed * 100_000 + layer * 100 + Int(number)))
    }

    /// Sequences of tokens below `vocabularySize`.
    package func sequences(vocabularySize: Int, count: Int = 3, length: Int = 95) -> [[Int32]] {
        var stream = stream(99)
        return (0..<count).map { _ in
            (0..<length).map { _ in Int32(stream.next() % UInt64(vocabularySize)) }
        }
    }

    /// Writes the model into a folder, with Float32 weights and the tokenizer of the tiny Qwen2.
    package func write(in folder: TemporaryFolder) throws -> String {
        let source = try TillerFile(path: TinyModel("qwen2").convert(in: folder))
        var manifest = source.manifest
        manifest.configuration.hiddenSize = heads * headSize
        manifest.configuration.intermediateSize = 96
        manifest.configuration.layers = Array(repeating: manifest.configuration.layers[0], count: layers)
        manifest.configuration.headCount = heads
        manifest.configuration.keyValueHeadCount = keyValueHeads
        manifest.configuration.headSize = headSize
        manifest.configuration.forEachLayer { $0.attention?.scale = 1 / Float(headSize).squareRoot() }
        manifest.configuration.rotaries[0].rotatedSize = headSize
        let path = "\(folder.path)/biases-\(seed).tiller"
        let writer = try TillerFileWriter(path: path, replaceExisting: true)
        for role in TensorRole.allCases {
            guard let shape = role.shape(in: manifest.configuration, layer: role.isPerLayer ? 0 : nil) else {
                continue
            }
            for layer in role.isPerLayer ? Array(0..<layers).map(Optional.some) : [nil] {
                let values = values(role, layer: layer ?? 0, shape)
                try (role.isVector ? values : tiles(values, shape)).withUnsafeBytes {
                    try writer.appendTensor(
                        role, layer: layer, encoding: role.isVector ? .vector : .float32, rows: shape.rows,
                        columns: shape.columns, bytes: $0)
                }
            }
        }
        try writer.finish(manifest: manifest, tokenizer: source.tokenizerBytes.map(Array.init))
        return path
    }

    /// A tensor's values [rows × columns].
    private func values(_ role: TensorRole, layer: Int, _ shape: (rows: Int, columns: Int)) -> [Float] {
        let factors: [TensorRole: Float] = [
            .query: 1 / keyFactor, .queryBias: 1 / keyFactor, .key: keyFactor, .keyBias: keyFactor,
            .value: valueFactor, .attentionOutput: 1 / valueFactor,
        ]
        return plainValues(role, layer: layer, shape).map { $0 * (factors[role] ?? 1) }
    }

    private func plainValues(_ role: TensorRole, layer: Int, _ shape: (rows: Int, columns: Int)) -> [Float] {
        switch role {
        case .outputNorm: return Array(repeating: 2, count: shape.columns)
        case .attentionNorm, .feedForwardNorm: return Array(repeating: 1, count: shape.columns)
        case .queryBias: return biases(layer: layer).query
        case .keyBias: return biases(layer: layer).key
        case .valueBias: return Array(repeating: 0, count: shape.columns)
        default:
            let isStrong = [.query, .key, .attentionOutput, .down].contains(role)
            let gain = (isStrong ? 1.5 : 1) * (3 / Double(shape.columns)).squareRoot()
            var stream = stream(role.rawValue, layer: layer)
            return (0..<shape.rows * shape.columns).map { _ in Float(stream.unit() * gain) }
        }
    }

    private func biases(layer: Int) -> (query: [Float], key: [Float]) {
        var query = [Float](repeating: 0, count: heads * headSize)
        var key = [Float](repeating: 0, count: keyValueHeads * headSize)
        var stream = stream(TensorRole.keyBias.rawValue, layer: layer)
        let group = heads / keyValueHeads
        for head in 0..<keyValueHeads {
            for _ in 0..<channels {
                let channel = Int(stream.next() % UInt64(headSize)), unit = stream.unit()
                key[head * headSize + channel] = Float(
                    Double(bias) * ((unit < 0 ? -0.75 : 0.75) + 0.25 * unit))
                for index in head * group..<(head + 1) * group {
                    query[index * headSize + channel] = Float(Double(queryBias) * stream.unit())
                }
            }
        }
        return (query, key)
    }

    /// Rows in tiles of 16.
    private func tiles(_ values: [Float], _ shape: (rows: Int, columns: Int)) -> [Float] {
        var tiles = [Float](repeating: 0, count: (shape.rows + 15) / 16 * 16 * shape.columns)
        for row in 0..<shape.rows {
            for column in 0..<shape.columns {
                tiles[(row / 16 * shape.columns + column) * 16 + row % 16] =
                    values[row * shape.columns + column]
            }
        }
        return tiles
    }
}

extension SplitMix64 {
    /// Uniform in -1 ..< 1.
    fileprivate mutating func unit() -> Double { Double(next() >> 40) * 0x1p-23 - 1 }
}
