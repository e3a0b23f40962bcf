// SPDX-License-Identifier: Apache-2.0
// Compares all methods on the same layers, from the same pairs, at the same KL on neutral text: the target's own methods,
// an expert with every alignment, the randomly rotated control, and random directions.

import Directions
import Evaluation
import Formats
import JSON
import LinearAlgebra
import Tiller
import Training

/// One method and its effect on held-out pairs.
package struct ComparisonArm: Sendable {
    package let name: String
    /// The strength that costs the given KL, in units of each layer's residual RMS.
    package let strength: Float
    /// Change of the log-odds of the positive side, in nats per token, with its 95 % interval over pairs.
    package let effect: Double
    package let interval: ClosedRange<Double>
    /// Mean over layers of the cosine with the target's own mean difference.
    package let cosine: Double?

    package var json: JSON {
        var object: JSON.Object = [
            "arm": .string(name), "strength": .number(Double(strength)), "effect": .number(effect),
            "interval": interval.json,
        ]
        if let cosine { object["cosine_with_own_mean_difference"] = .number(cosine.rounded(4)) }
        return .object(object)
    }
}

/// Compares the methods.
package struct ExpertComparison {
    private let trainer: ExpertTrainer
    private let engine: Engine
    private let options: ExpertOptions
    private let states: SharedStates
    private let measurement: ProfileMeasurement
    private let validation: ScoredPairs
    private let damage: Double
    private let progress: ExpertProgressHandler

    /// Scored tokens per side of a validation pair.
    private static let tokenLimit = 160

    /// - Parameters:
    ///   - validation: pairs that are not part of the reading.
    ///   - damage: KL on neutral text, in nats per token.
    package init(
        engine: Engine, options: ExpertOptions, reading: PairedCapture.Result, validation: [ContrastivePair],
        damage: Double, progress: @escaping ExpertProgressHandler
    ) throws(TillerError) {
        trainer = try ExpertTrainer(engine: engine, options: options, reading: reading, progress: progress)
        self.engine = engine
        self.options = options
        states = reading.states
        measurement = try ProfileMeasurement(engine: engine)
        self.validation = try measurement.scored(validation, tokenLimit: Self.tokenLimit)
        guard self.validation.count > 1 else {
            throw .invalidOption(
                "\(self.validation.count) validation pairs can be scored, expected at least 2")
        }
        self.damage = damage
        self.progress = progress
    }

    /// Measures every arm.
    ///
    /// - Parameter randomCount: number of random directions.
    package func arms(randomCount: Int) throws -> [ComparisonArm] {
        let layers = options.layers ?? ProfileChoice.standardLayers(of: states.target.layerCount)
        let own = layers.map { states.target.pairs(layer: $0) }
        var arms: [(name: String, vectors: [[Double]])] = []
        for method in DirectionMethod.allCases {
            let vectors = try parallelMap(layers.count, threadCount: engine.threadCount) { index in
                do { return try method.direction(of: own[index]) } catch let error as StatesError {
                    throw ExpertTrainingError.states("target layer \(layers[index])", error)
                }
            }
            arms.append(("own \(method.rawValue)", vectors))
        }
        let means = arms.first { $0.name == "own \(DirectionMethod.meanDifference.rawValue)" }?.vectors ?? []
        let pairs = try trainer.pairs(ofTargets: layers)
        for align in ExpertAlignment.allCases {
            var chosen = options
            chosen.align = align
            let fit = ExpertDirectionFit(states: states, options: chosen, threadCount: engine.threadCount)
            let found = try fit.directions(of: pairs, part: nil) { try progress(.fitting, $0, $1) }
            arms.append(("expert \(align.rawValue)", found.map(\.vector)))
            let rotated = found.compactMap(\.rotated)
            if !rotated.isEmpty { arms.append(("expert \(align.rawValue), rotated", rotated)) }
        }
        for index in 0..<randomCount {
            var random = RandomStream(seed: options.seed, part: index)
            let vectors = layers.map { _ in
                normalized((0..<states.target.width).map { _ in random.nextNormal() })
            }
            arms.append(("random \(index + 1)", vectors))
        }
        var measured: [ComparisonArm] = []
        for (index, arm) in arms.enumerated() {
            try progress(.choosing, index, arms.count)
            guard arm.vectors.contains(where: { $0.contains { $0 != 0 } }) else { continue }
            let profile = trainer.profile(zip(pairs.map(\.target), arm.vectors).map { ($0, $1) })
            let result = try measurement.shifts(
                of: profile, on: validation, costing: damage, start: measured.last?.strength ?? 0.25)
            let cosines = zip(arm.vectors, means).map { zip($0, $1).reduce(0) { $0 + $1.0 * $1.1 } }
            measured.append(
                ComparisonArm(
                    name: arm.name, strength: result.strength, effect: RunningMean(result.shifts).mean,
                    interval: bootstrapInterval(of: result.shifts),
                    cosine: cosines.isEmpty ? nil : RunningMean(cosines).mean))
        }
        try progress(.choosing, arms.count, arms.count)
        return measured
    }
}
