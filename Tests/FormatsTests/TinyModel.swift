// SPDX-License-Identifier: Apache-2.0
// A complete model of a few KB, for tests that write, break and read files.

import Formats
import JSON
import Quantization
import Steering

enum TinyModel {
    static let sourceHash = SHA256.digest(of: "the source model".utf8)

    static let configuration = ModelConfiguration(
        family: "llama", vocabularySize: 20, hiddenSize: 32, intermediateSize: 64, headCount: 2,
        keyValueHeadCount: 1, headSize: 16, contextLength: 128, rmsNormEpsilon: 1e-5, hasTiedEmbeddings: true,
        rotaries: [RotaryPlan(theta: 10_000, scaling: .perFrequencyFactors, rotatedSize: 16)],
        layers: Array(repeating: LayerPlan(attention: .init(scale: 0.25)), count: 2))

    static let manifest = Manifest(
        name: "tiny", architecture: "llama", license: "Apache-2.0",
        source: Manifest.Source(
            fileName: "tiny.gguf", sha256: sourceHash, format: "GGUF", byteCount: 12345,
            types: ["F16", "F32"]),
        converter: "tiller 1.0", created: "2026-01-31", configuration: configuration,
        quality: ["klDivergence": 0.0625], generation: ["temperature": 0.5])

    /// Every tensor that a configuration asks for; matrices whose columns allow it are int4.
    static func tensors(_ model: ModelConfiguration = configuration) -> [(
        TensorRole, Int?, TensorEncoding, Int, Int
    )] {
        TensorRole.allCases.flatMap { role -> [(TensorRole, Int?, TensorEncoding, Int, Int)] in
            guard let shape = role.shape(in: model, layer: role.isPerLayer ? 0 : nil) else { return [] }
            let encoding: TensorEncoding =
                role.isVector
                ? .vector : TensorEncoding.int4.accepts(columns: shape.columns) ? .int4 : .float16
            return (role.isPerLayer ? (0..<model.layerCount).map { $0 } : [nil] as [Int?]).map {
                (role, $0, encoding, shape.rows, shape.columns)
            }
        }
    }

    /// The bytes of a model file.
    static func bytes(
        manifest: Manifest = manifest, tensors: [(TensorRole, Int?, TensorEncoding, Int, Int)]? = nil,
        tokenizer: [UInt8]? = Array("tokens".utf8), chatTemplate: String? = "{{ messages }}",
        profiles: [SteeringProfile] = [profile("calm")], calibration: CalibrationStatistics? = nil,
        headScaling: HeadScaling? = nil
    ) throws -> [UInt8] {
        var file: [UInt8] = []
        let writer = try TillerFileWriter(sink: { file.append(contentsOf: $0) })
        for (role, layer, encoding, rows, columns) in tensors ?? Self.tensors(manifest.configuration) {
            let size = encoding.byteCount(rows: rows, columns: columns) ?? 0
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(role.rawValue)) }
            try bytes.withUnsafeBytes {
                try writer.appendTensor(
                    role, layer: layer, encoding: encoding, rows: rows, columns: columns, bytes: $0)
            }
        }
        try writer.finish(
            manifest: manifest, tokenizer: tokenizer, chatTemplate: chatTemplate,
            profiles: profiles.map { try $0.encoded(for: manifest.configuration) },
            calibration: calibration, headScaling: headScaling)
        return file
    }

    /// Statistics of the configuration's shape.
    static var calibration: CalibrationStatistics {
        var squares: [MatrixInput: [Float]] = [:]
        for (index, input) in MatrixInput.all(of: configuration).enumerated() {
            squares[input] = (0..<input.columns(in: configuration)).map { Float(($0 + index) % 100) / 8 }
        }
        return CalibrationStatistics(tokenCount: 1000, meanSquares: squares)
    }

    static func profile(_ name: String, seed: Int = 1) -> SteeringProfile {
        var unit = [Float](repeating: 0, count: 32)
        unit[seed % 32] = 1
        return SteeringProfile(
            name: name, description: "a test", sourceHash: sourceHash, hiddenSize: 32, layerCount: 2,
            method: "mean-difference", phase: .generation,
            operations: [
                .init(.add, layer: 0, vector: 0, coefficient: 0.1),
                .init(.projectOut, site: .attentionOutput, layer: 1, vector: 1, keepsNorm: true),
                .init(.clamp(target: 0.5, .whenBelow), site: .feedForwardOutput, layer: 1, vector: 1),
            ],
            residualRMS: [1.5, 2.25], recommendedStrength: 1, minimumStrength: -2, maximumStrength: 2,
            provenance: ["pairs": 64, "seed": .integer(seed)], evaluation: ["effect": 0.25],
            vectors: [(0..<32).map { Float($0 * seed) * 0.1 }, unit])
    }
}
