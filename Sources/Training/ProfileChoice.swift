// SPDX-License-Identifier: Apache-2.0
// Where to read a concept and where to write it differs from concept to concept, and no rule of thumb says it: a mood
// shows in every word and is written best in the upper half of the layers, an opinion about a statement is read
// in the statement and written early. So the trainer tries a few choices and keeps what works on pairs that it
// was not fitted to, all at the same damage to neutral text.

import Directions
import Evaluation
import Formats
import Glibc
import JSON
import Steering
import Tiller

/// Where a profile's directions are read and applied.
package struct ProfileChoice {
    var source: StateSource
    var layers: [Int]
    /// Exchanges the sides: which of two groups of prompts is the positive one, only the effect tells.
    var isReversed = false

    /// Ranges of layers in percent of the depth: early, middle, upper half, late, nearly all. Below are words rather
    /// than concepts, above the next token.
    private static let ranges = [(20, 40), (35, 65), (40, 80), (67, 87), (20, 80)]

    /// The ranges of layers to choose from; layer 0 is left out, since control vectors cannot hold it.
    package static func layerRanges(of layerCount: Int) -> [[Int]] {
        var found: [[Int]] = []
        for (low, high) in ranges {
            let first = max(min(1, layerCount - 1), layerCount * low / 100)
            let layers = Array(first...max(first, layerCount * high / 100))
            if !found.contains(layers) { found.append(layers) }
        }
        return found
    }

    /// The one for too few pairs to choose by: best, or close to it, for most pairs of texts.
    package static func standardLayers(of layerCount: Int) -> [Int] {
        let ranges = layerRanges(of: layerCount)
        return ranges[min(2, ranges.count - 1)]
    }

    func states(_ captured: CapturedStates, layer: Int, part: Int? = nil) -> PairedStates {
        let pairs = captured.pairs(source, layer: layer, part: part)
        return isReversed ? pairs.reversed : pairs
    }
}

/// A choice with what it did to pairs that it was not fitted to.
struct MeasuredChoice {
    let choice: ProfileChoice
    /// Change of the log-odds of the positive side, in nats by token.
    let effect: RunningMean

    /// The effect that one can count on, the lower end of its interval. A profile that says Yes to everything
    /// moves the two halves of Yes-and-No pairs apart and has a wide one.
    var score: Double { effect.mean - 2 * effect.standardError }

    var json: JSON {
        [
            "source": .string(choice.source.rawValue),
            "layers": .array(choice.layers.map { .integer($0) }), "effect": .number(effect.mean),
            "standard_error": .number(effect.standardError),
        ]
    }
}

/// Measures choices: fitted to one half of the pairs, tried on the other.
struct ChoiceMeasurement {
    /// Fewer pairs than this say nothing about a choice.
    static let leastPairCount = 16
    /// Pairs that are scored. Fixed answers cost one pass of the prompt, and differ more from pair to pair.
    private static let scoredPairCount = 64, scoredFixedPairCount = 96
    /// Tokens of a side that are scored.
    private static let tokenLimit = 160

    private let measurement: ProfileMeasurement
    private let pairs: ScoredPairs

    init(engine: Engine, set: TrainingSet, calibration: StrengthCalibration) throws(TillerError) {
        measurement = try ProfileMeasurement(engine: engine, calibration: calibration)
        // Couples of two, as the states are divided.
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
