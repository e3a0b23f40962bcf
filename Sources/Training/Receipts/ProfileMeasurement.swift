// SPDX-License-Identifier: Apache-2.0
// What other trainers of profiles need of this module: the strength that the damage allows, and what a profile does to
// pairs at that strength.

import Evaluation
import Formats
import Steering
import Tiller

/// Measures profiles on the model that they are for.
package struct ProfileMeasurement {
    /// What a calibration found.
    package struct Strengths: Sendable {
        package let recommended, maximum: Float
        /// Nats per token at the recommended strength, on text that had no part in choosing it.
        package let damage: Double
    }

    /// Nats by token that a profile may cost text which has nothing to do with it.
    package static let budget = StrengthCalibration.budget

    let calibration: StrengthCalibration
    let scorer: PairScorer
    private let layerCount: Int

    package init(engine: Engine) throws(TillerError) {
        calibration = try StrengthCalibration(engine: engine)
        scorer = try PairScorer(engine: engine)
        layerCount = engine.model.configuration.layerCount
    }

    /// The strengths for everyday use and at the limit.
    package func strengths(of profile: SteeringProfile) -> Strengths {
        let found = calibration.calibrate(profile)
        return Strengths(
            recommended: found.recommended, maximum: found.maximum, damage: found.damage)
    }

    /// Pairs as they are scored, with their log-odds under the plain model.
    package func scored(_ pairs: [ContrastivePair], tokenLimit: Int) throws(TillerError) -> ScoredPairs {
        var tokens: [TokenizedPair] = [], places: [Int] = []
        for (place, pair) in pairs.enumerated() {
            guard let pair = try scorer.tokenized(pair)?.prefix(tokenLimit) else { continue }
            tokens.append(pair)
            places.append(place)
        }
        return ScoredPairs(
            tokens: tokens, plain: try scorer.logOdds(of: tokens, under: .none), places: places)
    }

    /// Change of the pairs' log-odds in nats by token, at the strength that costs the budget.
    ///
    /// - Parameter start: where the search for the strength begins: that of a similar profile saves most of it.
    package func effect(
        of profile: SteeringProfile, on pairs: ScoredPairs, start: Float
    ) throws(TillerError) -> (strength: Float, effect: RunningMean) {
        let strength = calibration.strength(of: profile, costing: StrengthCalibration.budget, start: start)
        return (strength, RunningMean(try shifts(of: profile, strength: strength, on: pairs)))
    }

    /// The same pair by pair, at the strength that costs a divergence where damage is measured.
    package func shifts(
        of profile: SteeringProfile, on pairs: ScoredPairs, costing divergence: Double, start: Float
    ) throws(TillerError) -> (strength: Float, shifts: [Double]) {
        let found = try exactShifts(of: profile, on: pairs, costing: divergence, start: start)
        return (found.strength, found.shifts)
    }

    /// KL on neutral text in nats per token.
    package func damage(of profile: SteeringProfile, strength: Float) -> Double {
        calibration.measuring.damage(of: profile, strength: strength).divergence
    }

    /// Changes of the pairs' log-odds in nats by token.
    package func shifts(
        of profile: SteeringProfile, strength: Float, on pairs: ScoredPairs
    ) throws(TillerError) -> [Double] {
        let plan = profile.plan(strength: strength, layerCount: layerCount)
        return try zip(scorer.logOdds(of: pairs.tokens, under: plan), pairs.plain).map { $0 - $1 }
    }

    /// Changes of pairs' log-odds at the strength that costs a divergence to within 2 %.
    ///
    /// - Parameter text: where they cost it: `.choosing` while something is still to be chosen, `.measuring` for results.
    package func exactShifts(
        of profile: SteeringProfile, on pairs: ScoredPairs, costing divergence: Double, start: Float,
        over text: NeutralText = .measuring
    ) throws(TillerError) -> (strength: Float, damage: Double, shifts: [Double]) {
        let (strength, damage) = calibration.meter(text).strength(
            of: profile, costing: divergence, start: start)
        return (strength, damage, try shifts(of: profile, strength: strength, on: pairs))
    }

    /// Ranges of layers worth trying, as `profile train` tries them; the third is best, or close to it, for most
    /// concepts.
    package static func layerRanges(of layerCount: Int) -> [[Int]] {
        ProfileChoice.layerRanges(of: layerCount)
    }

    /// The range for too few pairs to choose by.
    package static func standardLayers(of layerCount: Int) -> [Int] {
        ProfileChoice.standardLayers(of: layerCount)
    }
}

/// Pairs with their log-odds under the plain model, in nats by token.
package struct ScoredPairs: Sendable {
    let tokens: [TokenizedPair]
    let plain: [Double]
    /// Where each stood among the pairs that were given; those without a token to score are left out.
    package let places: [Int]

    package var count: Int { tokens.count }
}
