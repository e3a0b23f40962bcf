// SPDX-License-Identifier: Apache-2.0
// GGUF control vectors, llama.cpp's form of steering: one vector per layer, added unscaled to the residual stream after
// that layer. formats/gguf.md §7.

import Formats
import JSON
import Platform

/// llama.cpp adds `direction.N` after layer N, N ≥ 1; it cannot steer layer 0.
package struct ControlVector: Sendable {
    /// Vectors [hiddenSize], keyed by layer.
    package let directions: [Int: [Float]]
    package let layerCount: Int
}

extension ControlVector {
    /// Multiplies strength, coefficients and residual RMS into the vectors.
    ///
    /// - Throws: `SteeringError` where llama.cpp cannot do what the profile asks for.
    package init(profile: SteeringProfile, strength: Float) throws(SteeringError) {
        var directions: [Int: [Float]] = [:]
        for operation in profile.operations {
            guard operation.kind == .add, operation.site == .residual, !operation.keepsNorm,
                operation.gate == nil, operation.firstPosition == 0, operation.endPosition == nil
            else {
                throw SteeringError(
                    "profile '\(profile.name)' does more than add to the residual stream, which is all that a "
                        + "control vector can do; export it as .tillerprofile")
            }
            guard profile.phase == .both else {
                throw SteeringError(
                    "profile '\(profile.name)' steers only the \(profile.phase.rawValue), a control vector always "
                        + "steers both")
            }
            guard operation.layer > 0 else {
                throw SteeringError("profile '\(profile.name)' steers layer 0, which control vectors cannot")
            }
            let amount = strength * operation.coefficient * profile.residualRMS[operation.layer]
            let scaled = profile.vectors[operation.vector].map { $0 * amount }
            let sum = directions[operation.layer] ?? Array(repeating: 0, count: scaled.count)
            directions[operation.layer] = zip(sum, scaled).map { $0 + $1 }
        }
        self.directions = directions
        layerCount = profile.layerCount
    }

    /// Writes the GGUF; llama.cpp counts the N of `direction.N` from 0, as we count layers.
    package func write(to path: String, modelHint: String, replacing: Bool) throws {
        var writer = GGUFWriter()
        writer.set("general.architecture", .string("controlvector"))
        writer.set("controlvector.model_hint", .string(modelHint))
        writer.set("controlvector.layer_count", .uint32(UInt32(layerCount)))
        for (layer, vector) in directions.sorted(by: { $0.key < $1.key }) {
            writer.add("direction.\(layer)", dimensions: [vector.count], values: vector)
        }
        try writer.write(to: path, replaceExisting: replacing)
    }

    /// Reads a control vector.
    ///
    /// - Throws: `FormatError` for damaged files, `SteeringError` for files that hold something else.
    package init(readingFrom path: String) throws {
        let file = try GGUFFile(path: path)
        let architecture = file.metadata["general.architecture"]?.string ?? "none"
        guard architecture == "controlvector" else {
            throw SteeringError("\(path) holds architecture '\(architecture)', expected 'controlvector'")
        }
        var directions: [Int: [Float]] = [:]
        for tensor in file.tensors {
            guard tensor.name.hasPrefix("direction."),
                let layer = Int(tensor.name.dropFirst("direction.".count)),
                layer >= 0, tensor.rows == 1, tensor.type == .f32
            else {
                throw SteeringError(
                    "\(path): tensor '\(tensor.name)' is not a float32 vector named direction.N")
            }
            let bytes = file.bytes(of: tensor)
            directions[layer] = (0..<tensor.columns).map {
                bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self)
            }
        }
        guard let last = directions.keys.max() else { throw SteeringError("\(path) holds no directions") }
        self.directions = directions
        layerCount = max(file.metadata["controlvector.layer_count"]?.integer ?? 0, last + 1)
    }

    /// A profile that adds exactly these vectors at strength 1.
    ///
    /// The vectors' scale is absolute: the residual RMS is 1, and a strength is a multiple of the file's vectors.
    package func profile(named name: String, configuration: ModelConfiguration, sourceHash: SHA256.Digest)
        throws(SteeringError) -> SteeringProfile
    {
        let layers = directions.keys.sorted()
        for layer in layers {
            guard layer < configuration.layerCount, directions[layer]?.count == configuration.hiddenSize
            else {
                throw SteeringError(
                    "direction.\(layer) has \(directions[layer]?.count ?? 0) elements; this model has "
                        + "\(configuration.layerCount) layers of width \(configuration.hiddenSize)")
            }
        }
        return SteeringProfile(
            name: name, description: "imported control vector", sourceHash: sourceHash,
            hiddenSize: configuration.hiddenSize, layerCount: configuration.layerCount,
            method: "control-vector",
            operations: layers.enumerated().map { index, layer in .init(.add, layer: layer, vector: index) },
            residualRMS: Array(repeating: 1, count: configuration.layerCount), recommendedStrength: 1,
            minimumStrength: -2, maximumStrength: 2,
            provenance: ["source": "GGUF control vector"],
            vectors: layers.compactMap { directions[$0] })
    }
}
