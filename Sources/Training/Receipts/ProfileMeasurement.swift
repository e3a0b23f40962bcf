// SPDX-License-Identifier: Apache-2.0
// Measurements for all profile trainers: the strength at a given side effect, and the effect on pairs at that strength.

import Evaluation
import Formats
import Steering
import Tiller

/// Measures profiles on their target model.
package struct ProfileMeasurement {
    /// KL on neutral text that a profile may cost, in nats per token.
    package static let budget = StrengthCalibration.budget

    let calibration: StrengthCalibration
    package let scorer: PairScorer
    private let layerCount: Int

    package init(engine: Engine) throws(TillerError) {
        try self.init(engine: engine, calibration: StrengthCalibration(engine: engine))
    }

    init(engine: Engine, calibration: StrengthCalibration) throws(TillerError) {
        self.calibration = calibration
        scorer = try PairScorer(engine: engine)
        layerCount = engine.model.configuration.layerCount
    }

    /// The recommended strength and the maximum.
    package func strengths(of profile: SteeringProfile) -> CalibratedStrength {
        calibration.calibrate(profile)
    }

    /// Prepares pairs for scoring, with their log-odds under the unsteered model.
    package func scored(_ pairs: [ContrastivePair], tokenLimit: Int) throws(TillerError) -> ScoredPairs {
        var tokens: [TokenizedPair] = [], places: [Int] = []
        for (place, pair) in pairs.enumerated() {
            guard let pair = try scorer.tokenized(pair)?.prefix(tokenLimit) else { continue }
            tokens.append(pair)
            places.append(place)
        }
        return try scored(tokens, places: places)
    }

    func scored(_ tokens: [TokenizedPair], places: [Int]) throws(TillerError) -> ScoredPairs {
        ScoredPairs(tokens: tokens, plain: try scorer.logOdds(of: tokens, under: .none), places: places)
    }

    /// Change of the pairs' log-odds in nats per token, at the strength that costs the budget.
    ///
    /// - Parameter start: where the search for the strength begins; the strength of a similar profile shortens it.
    package func effect(
        of profile: SteeringProfile, on pairs: ScoredPairs, start: Float
    ) throws(TillerError) -> (strength: Float, effect: RunningMean) {
        let strength = calibration.strength(of: profile, costing: StrengthCalibration.budget, start: start)
        return (strength, RunningMean(try shifts(of: profile, strength: strength, on: pairs)))
    }

    /// KL divergence on neutral text, in nats per token.
    package func damage(of profile: SteeringProfile, strength: Float) -> Double {
        calibration.measuring.damage(of: profile, strength: strength).divergence
    }

    /// Changes of the pairs' log-odds in nats per token.
    package func shifts(
        of profile: SteeringProfile, strength: Float, on pairs: ScoredPairs
    ) throws(TillerError) -> [Double] {
        let plan = profile.plan(strength: strength, layerCount: layerCount)
        return try zip(scorer.logOdds(of: pairs.tokens, under: plan), pairs.plain).map { $0 - $1 }
    }

    /// Changes of the pairs' log-odds at the strength whose KL divergence is within 2 % of the given one.
    ///
    /// - Parameter text: where the divergence is measured: `.choosing` while a choice depends on it, `.measuring` for results.
    package func shifts(
        of profile: SteeringProfile, on pairs: ScoredPairs, costing divergence: Double, start: Float,
        over text: NeutralText = .measuring
    ) throws(TillerError) -> (strength: Float, damage: Double, shifts: [Double]) {
        let (strength, damage) = calibration.meter(text).strength(
            of: profile, costing: divergence, start: start)
        return (strength, damage, try shifts(of: profile, strength: strength, on: pairs))
    }
}

/// Pairs with their log-odds under the unsteered model, in nats per token.
package struct ScoredPairs: Sendable {
    package let tokens: [TokenizedPair]
    let plain: [Double]
    /// Indices into the given pairs; pairs without a token to score are left out.
    package let places: [Int]

    package var count: Int { tokens.count }
}
