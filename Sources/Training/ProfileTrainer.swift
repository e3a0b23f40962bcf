// SPDX-License-Identifier: Apache-2.0
// From contrastive pairs to a steering profile, on the very weights that will run: capture states, find a
// direction for each layer, calibrate the strength against the damage it does to neutral text.

import Evaluation
import ExpertSteer
import Formats
import JSON
import Platform
import Tiller
import Transformer

/// How a profile is trained.
package struct TrainingOptions: Sendable {
    package var name: String
    package var description = ""
    package var method = DirectionMethod.meanDifference
    /// Steered layers; nil takes those between 35 % and 65 % of the depth.
    package var layers: [Int]?
    package var site = SteeringProfile.Site.residual
    package var phase = SteeringProfile.Phase.both
    /// Rescales each steered state to the norm that it had.
    package var keepsNorm = false

    package init(name: String) { self.name = name }
}

/// What training reports while it runs.
package enum TrainingProgress: Sendable {
    case capturing(pair: Int, of: Int)
    case calibrating(strength: Float, divergence: Double)
}

/// Trains profiles on one model.
package struct ProfileTrainer {
    private let engine: Engine
    private let options: TrainingOptions
    private let layers: [Int]

    /// - Throws: `TillerError.invalidOption` for layers that the model does not have.
    package init(engine: Engine, options: TrainingOptions) throws(TillerError) {
        let layerCount = engine.model.configuration.layerCount
        let layers = options.layers ?? Self.middleLayers(of: layerCount)
        guard let last = layers.max(), let first = layers.min(), first >= 0, last < layerCount else {
            throw .invalidOption("layers \(layers) are not all in 0...\(layerCount - 1)")
        }
        self.engine = engine
        self.options = options
        self.layers = Array(Set(layers)).sorted()
    }

    /// Layers whose states are neither still the words nor already the next token.
    package static func middleLayers(of layerCount: Int) -> [Int] {
        let first = layerCount * 35 / 100
        return Array(first...max(first, min(layerCount - 1, layerCount * 65 / 100)))
    }

    /// Trains a profile.
    ///
    /// - Parameter dataHash: SHA-256 of the file of pairs, for the record.
    package func train(
        on pairs: [ContrastivePair], dataHash: String, progress: (TrainingProgress) -> Void
    ) throws(TillerError) -> SteeringProfile {
        let states = try StateCapture(engine: engine, layers: layers).capture(pairs, progress: progress)
        let directions = layers.map { options.method.direction(of: states.pairs(layer: $0)) }
        guard directions.contains(where: { $0.contains { $0 != 0 } }) else {
            throw .invalidOption(
                "positive and negative sides are equal in every pair; there is nothing to learn")
        }
        var profile = makeProfile(
            directions, residualRMS: states.residualRMS, pairs: pairs, dataHash: dataHash)
        let calibration = try StrengthCalibration(engine: engine).calibrate(profile, progress: progress)
        profile.recommendedStrength = calibration.recommended
        profile.maximumStrength = calibration.maximum
        profile.minimumStrength = -calibration.maximum
        let separations = zip(layers, directions).map { layer, direction in
            Separation(of: direction, on: states.pairs(layer: layer)).pairAccuracy
        }
        profile.evaluation = [
            "divergence_at_recommended": .number(calibration.divergence),
            "training_pair_accuracy": .array(separations.map { .number($0) }),
        ]
        return profile
    }

    private func makeProfile(
        _ directions: [[Float]], residualRMS: [Float], pairs: [ContrastivePair], dataHash: String
    ) -> SteeringProfile {
        let configuration = engine.model.configuration
        let operations = layers.enumerated().map { index, layer in
            SteeringProfile.Operation(
                .add, site: options.site, layer: layer, vector: index, keepsNorm: options.keepsNorm)
        }
        return SteeringProfile(
            name: options.name, description: options.description,
            sourceHash: engine.file.manifest.source.sha256, hiddenSize: configuration.hiddenSize,
            layerCount: configuration.layerCount, method: options.method.rawValue, phase: options.phase,
            operations: operations, residualRMS: residualRMS, recommendedStrength: 1, minimumStrength: -1,
            maximumStrength: 1,
            provenance: [
                "program": .string("tiller \(tillerVersion)"), "date": .string(WallClock.isoDate()),
                "pairs": .integer(pairs.count), "data_sha256": .string(dataHash),
                "weights": .string("\(engine.model.blocks[0].feedForward.up.encoding)"),
            ], vectors: directions)
    }
}
