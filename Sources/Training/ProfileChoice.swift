// SPDX-License-Identifier: Apache-2.0
// The best place to read and to write a concept differs between concepts, and no rule of thumb predicts it: a mood is
// visible in every word and is best written in the upper half of the layers; an opinion about a statement is read in the
// statement and written early. So the trainer tries a few choices and keeps the one that works best on held-out pairs,
// all at the same KL on neutral text.

import Directions
import Evaluation
import Formats
import Glibc
import JSON
import Steering
import Tiller

/// Where a profile reads its directions and applies them.
package struct ProfileChoice {
    var source: StateSource
    var layers: [Int]
    /// Swaps the sides: only the effect tells which of two groups of prompts is the positive one.
    var isReversed = false

    /// Ranges of layers in percent of the depth: early, middle, upper half, late, nearly all. Lower layers represent
    /// words rather than concepts, higher ones the next token.
    private static let ranges = [(20, 40), (35, 65), (40, 80), (67, 87), (20, 80)]

    /// The candidate ranges of layers, without layer 0, which control vectors cannot represent.
    package static func layerRanges(of layerCount: Int) -> [[Int]] {
        var found: [[Int]] = []
        for (low, high) in ranges {
            let first = max(min(1, layerCount - 1), layerCount * low / 100)
            let layers = Array(first...max(first, layerCount * high / 100))
            if !found.contains(layers) { found.append(layers) }
        }
        return found
    }

    /// The default when there are too few pairs to choose by: the best range, or close to it, for most pairs of texts.
    package static func standardLayers(of layerCount: Int) -> [Int] {
        let ranges = layerRanges(of: layerCount)
        return ranges[min(2, ranges.count - 1)]
    }

    /// Refuses layers that a model does not have.
    ///
    /// - Throws: `TillerError.invalidOption`, also for an empty list.
    package static func check(layers: [Int], of layerCount: Int) throws(TillerError) {
        guard let last = layers.max(), let first = layers.min(), first >= 0, last < layerCount else {
            throw .invalidOption("layers \(layers) are not all in 0...\(layerCount - 1)")
        }
    }

    func states(_ captured: CapturedStates, layer: Int, part: Int? = nil) -> PairedStates {
        let pairs = captured.pairs(source, layer: layer, part: part)
        return isReversed ? pairs.reversed : pairs
    }
}

/// A choice with its effect on held-out pairs.
struct MeasuredChoice {
    let choice: ProfileChoice
    /// Change of the log-odds of the positive side, in nats per token.
    let effect: RunningMean

    /// Lower end of the effect's interval. A profile that says Yes to everything moves the two halves of Yes-and-No pairs
    /// apart, so its interval is wide.
    var score: Double { effect.mean - 2 * effect.standardError }

    var json: JSON {
        [
            "source": .string(choice.source.rawValue),
            "layers": .array(choice.layers.map { .integer($0) }), "effect": .number(effect.mean),
            "standard_error": .number(effect.standardError),
        ]
    }
}

/// Measures choices: fits on one half of the pairs, evaluates on the other.
struct ChoiceMeasurement {
    /// Minimum for a choice: the effect on fewer pairs is not informative.
    static let leastPairCount = 16
    /// Scored pairs. A fixed answer costs only one pass over the prompt, and its effect varies more from pair to pair.
    private static let scoredPairCount = 64, scoredFixedPairCount = 96
    /// Scored tokens per side.
    private static let tokenLimit = 160

    private let measurement: ProfileMeasurement
    private let pairs: ScoredPairs

    init(engine: Engine, set: TrainingSet, calibration: StrengthCalibration) throws(TillerError) {
        measurement = try ProfileMeasurement(engine: engine, calibration: calibration)
        // Groups of two pairs, split in the same way as the states.
        let couples = stride(from: 2, to: set.pairs.count, by: 4).map { index in
            Array(set.pairs[index..<min(index + 2, set.pairs.count)])
        }
        let count = set.fixedAnswers == nil ? Self.scoredPairCount : Self.scoredFixedPairCount
        let chosen = couples.spread(count / 2).flatMap { $0 }.map { $0.prefix(Self.tokenLimit) }
        pairs = try measurement.scored(chosen, places: Array(chosen.indices))
    }

    /// - Parameter profile: the choice's profile, fitted to part 0 of the states.
    func measure(_ choice: ProfileChoice, profile: SteeringProfile) throws(TillerError) -> MeasuredChoice {
        let found = try measurement.effect(of: profile, on: pairs, start: 0.25)
        return MeasuredChoice(choice: choice, effect: found.effect)
    }
}
