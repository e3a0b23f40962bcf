// SPDX-License-Identifier: Apache-2.0
// Does steering survive quantization? Compares one profile on a model and on its reference: the states and their
// displacements, the directions that the same pairs give, and the remaining effect.

import Directions
import Evaluation
import Formats
import JSON
import Steering
import Tiller

/// How well a model retains a profile, compared with a reference.
package struct SteeringRetention: Sendable {
    /// Strength of the profile on both models.
    package let strength: Float
    package let states: StateComparison
    /// Cosines between the directions that both models learn from the same pairs, per steered layer; empty without pairs.
    package let directions: [(layer: Int, cosine: Double)]
    /// The change of the pairs' log-odds by the profile; nil without pairs.
    package let effect: EffectRetention?

    package var json: JSON.Object {
        var object: JSON.Object = [
            "strength": .number(Double(strength)), "mean_state_cosine": Self.mean(states.states),
            "mean_displacement_cosine": Self.mean(states.displacements.compactMap(\.self)),
            "state_cosine": .array(states.states.map { .number($0) }),
            "displacement_cosine": .array(states.displacements.map { $0.map { .number($0) } ?? .null }),
        ]
        guard let effect else { return object }
        object["mean_direction_cosine"] = Self.mean(directions.map(\.cosine))
        object["direction_cosine"] = .array(
            directions.map { ["layer": .integer($0.layer), "cosine": .number($0.cosine)] })
        object["retention"] = effect.ratio.map { .number($0) } ?? .null
        object["interval"] = effect.interval?.json ?? .null
        object["shift"] = .number(effect.meanShift)
        object["reference_shift"] = .number(effect.meanReferenceShift)
        object["pairs"] = .integer(effect.shifts.count)
        return object
    }

    private static func mean(_ values: [Double]) -> JSON {
        values.isEmpty ? .null : .number(RunningMean(values).mean)
    }
}

/// Shifts of the pairs' log-odds in nats per token, one per pair.
package struct EffectRetention: Sendable {
    package let shifts, referenceShifts: [Double]

    /// - Precondition: both have one shift per pair.
    package init(shifts: [Double], referenceShifts: [Double]) {
        precondition(shifts.count == referenceShifts.count, "EffectRetention: other pairs")
        self.shifts = shifts
        self.referenceShifts = referenceShifts
    }

    package var meanShift: Double { RunningMean(shifts).mean }
    package var meanReferenceShift: Double { RunningMean(referenceShifts).mean }
    /// The model's mean shift divided by the reference's; nil where the reference's mean shift is 0.
    package var ratio: Double? { meanReferenceShift == 0 ? nil : meanShift / meanReferenceShift }
    /// Its 95 % bootstrap interval over pairs; nil where the reference's shift does not differ significantly from 0.
    package var interval: ClosedRange<Double>? { bootstrapInterval(ofRatio: shifts, to: referenceShifts) }
}

/// Progress of a retention measurement.
package enum RetentionProgress: Sendable {
    case states(position: Int, of: Int)
    case directions(pair: Int, of: Int)
    case effect(pair: Int, of: Int)
}

/// Measures retention.
package struct RetentionMeter {
    private let engine, reference: Engine
    private let profile: SteeringProfile
    private let strength: Float

    /// Tokens of a text to compare.
    private static let tokenLimit = 256
    /// Tokens of each built-in passage to compare.
    private static let passageTokenLimit = 64

    /// - Parameter steer: a profile of the reference, or else of the model; it steers both.
    /// - Throws: `TillerError.invalidOption` for two models that cannot be compared, `.invalidProfile` for a profile that
    ///   neither file has.
    package init(engine: Engine, reference: Engine, steer: AppliedProfile) throws(TillerError) {
        try engine.requireSameVocabulary(as: reference)
        let (own, other) = (engine.model.configuration, reference.model.configuration)
        guard own.layerCount == other.layerCount, own.hiddenSize == other.hiddenSize else {
            throw .invalidOption(
                "the model has \(own.layerCount) layers of \(own.hiddenSize), its reference \(other.layerCount) of "
                    + "\(other.hiddenSize); they are different models")
        }
        self.engine = engine
        self.reference = reference
        let owner = reference.profileNames.contains(steer.name) ? reference : engine
        profile = try owner.profile(named: steer.name)
        let moved = owner === engine ? reference : engine
        do { try profile.checkHeadBasis(moved.file.headScaling, isFromThere: false) } catch {
            throw .invalidProfile("\(error)")
        }
        strength = steer.strength ?? profile.recommendedStrength
    }

    private var plan: SteeringPlan {
        profile.plan(strength: strength, layerCount: engine.model.configuration.layerCount)
    }

    /// Compares the states.
    ///
    /// - Parameter text: its beginning is read; nil takes neutral passages of several kinds.
    /// - Throws: `TillerError.invalidOption` for a text that is too short or that the two models tokenize differently.
    package func compareStates(over text: String? = nil, progress: (RetentionProgress) -> Void)
        throws(TillerError) -> StateComparison
    {
        try StateComparison.measure(tokens(of: text), engine: engine, reference: reference, plan: plan) {
            progress(.states(position: $0, of: $1))
        }
    }

    /// Adds directions and effect to a comparison of states.
    ///
    /// - Parameter pairs: pairs to learn directions from and to measure the effect on; empty skips both.
    /// - Throws: `TillerError.invalidOption` for pairs without a token of their own.
    package func measure(
        on pairs: [ContrastivePair], states: StateComparison, progress: (RetentionProgress) -> Void
    ) throws(TillerError) -> SteeringRetention {
        guard !pairs.isEmpty else {
            return SteeringRetention(strength: strength, states: states, directions: [], effect: nil)
        }
        let directions = try compareDirections(pairs, progress)
        var shifts: [[Double]] = []
        for (index, engine) in [engine, reference].enumerated() {
            let result = try PairEvaluation.measure(pairs, engine: engine, plan: plan) { done, count in
                progress(.effect(pair: index * count + done, of: 2 * count))
            }
            shifts.append(result.shifts)
        }
        return SteeringRetention(
            strength: strength, states: states, directions: directions,
            effect: EffectRetention(shifts: shifts[0], referenceShifts: shifts[1]))
    }

    private func tokens(of text: String?) throws(TillerError) -> [[Int32]] {
        let texts = text.map { [$0] } ?? NeutralText.measuring.passages
        var tokens: [[Int32]] = []
        for text in texts {
            try engine.requireSameTokens(as: reference, of: text)
            tokens.append(
                Array(engine.encode(text).prefix(texts.count > 1 ? Self.passageTokenLimit : Self.tokenLimit)))
        }
        guard tokens.contains(where: { $0.count > 1 }) else {
            throw .invalidOption("the text is too short to compare states, expected at least two tokens")
        }
        return tokens
    }

    /// Trains on both models with the profile's own training options, as far as they are recorded.
    private func compareDirections(
        _ pairs: [ContrastivePair], _ progress: (RetentionProgress) -> Void
    ) throws(TillerError) -> [(layer: Int, cosine: Double)] {
        var options = TrainingOptions(name: profile.name)
        let layers = Array(Set(profile.operations.map(\.layer))).sorted()
        options.layers = layers
        options.method = DirectionMethod(rawValue: profile.method) ?? .meanDifference
        options.source = profile.evaluation["source"]?.stringValue.flatMap(StateSource.init)
        var learned: [[[Float]]] = []
        for (index, engine) in [engine, reference].enumerated() {
            learned.append(
                try ProfileTrainer(engine: engine, options: options).directions(from: pairs) { event in
                    guard case .capturing(let pair, let count) = event else { return }
                    progress(.directions(pair: index * count + pair, of: 2 * count))
                })
        }
        return zip(layers, zip(learned[0], learned[1])).compactMap { layer, directions in
            cosine(directions.0, directions.1).map { (layer, $0) }
        }
    }
}
