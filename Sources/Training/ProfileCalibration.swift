// SPDX-License-Identifier: Apache-2.0
// A profile's calibration curve: for each strength, the effect on validation pairs and the side effect on neutral text.
// It determines the recommended strength and the safe range of strengths.

import Evaluation
import Formats
import JSON
import Steering
import Tiller

/// The measurements at one strength.
package struct CalibrationPoint: Sendable {
    package let strength: Float
    /// Mean shift of the log-odds of the positive side in nats per token, with its 95 % bootstrap interval over pairs.
    package let effect: Double
    package let interval: ClosedRange<Double>
    /// The part of the budget it spends: mean KL(plain ‖ steered) on the text that strengths are chosen on, in nats per token.
    package let spent: Double
    /// The same KL divergence on another neutral text, on which no strength is chosen.
    package let damage: Double
    /// Increase of −ln P of that other text, in nats per token.
    package let lossRise: Double

    var json: JSON {
        [
            "strength": .number(Double(strength)), "effect": .number(effect), "interval": interval.json,
            "spent": .number(spent), "damage": .number(damage), "loss_rise": .number(lossRise),
        ]
    }
}

/// A calibrated profile's curve.
package struct ProfileCalibration: Sendable {
    /// KL on neutral text that the recommended strength may cost, in nats per token.
    package let budget: Double
    package let pairCount: Int
    /// Sorted by ascending strength.
    package let points: [CalibrationPoint]
    /// The strength with the greatest effect within the budget; nil where no strength moves the pairs towards the positive side.
    package let recommended: CalibrationPoint?
    /// Strengths with a side effect below the limit at which text degenerates.
    package let safeRange: ClosedRange<Float>

    package var json: JSON.Object {
        [
            "damage_budget": .number(budget), "pairs": .integer(pairCount),
            "recommended_strength": recommended.map { .number(Double($0.strength)) } ?? .null,
            "effect": recommended.map { .number($0.effect) } ?? .null,
            "is_certain": .bool((recommended?.interval.lowerBound ?? 0) > 0),
            "minimum_strength": .number(Double(safeRange.lowerBound)),
            "maximum_strength": .number(Double(safeRange.upperBound)),
            "curve": .array(points.map(\.json)),
        ]
    }

    /// The profile with its new strengths and a record of the curve.
    ///
    /// - Parameter dataHash: SHA-256 of the validation file.
    package func applied(to profile: SteeringProfile, dataHash: String) -> SteeringProfile {
        var changed = profile
        changed.minimumStrength = safeRange.lowerBound
        changed.maximumStrength = safeRange.upperBound
        changed.recommendedStrength = min(
            max(recommended?.strength ?? profile.recommendedStrength, safeRange.lowerBound),
            safeRange.upperBound)
        var record = json
        record["data_sha256"] = .string(dataHash)
        record["program"] = .string("tiller \(tillerVersion)")
        // A receipt for another strength says nothing about this one.
        var evaluation = profile.with(nil).evaluation.objectValue ?? [:]
        evaluation["calibration"] = .object(record)
        changed.evaluation = .object(evaluation)
        return changed
    }
}

/// Measures calibration curves.
package struct ProfileCalibrator {
    private let measurement: ProfileMeasurement
    private let budget: Double
    private let pairs: ScoredPairs

    /// Scored tokens per side.
    private static let tokenLimit = 160
    /// Fractions of the strength that spends the budget, and of the interval from there to the end of the safe range.
    private static let withinBudget: [Float] = [0.25, 0.5, 0.75, 1]
    private static let beyondBudget: [Float] = [0.33, 0.67, 1]

    /// - Parameters:
    ///   - budget: KL on neutral text that the recommended strength may cost, in nats per token.
    ///   - maximumPairCount: scored pairs, evenly spaced.
    /// - Throws: `TillerError.invalidOption` where no pair has a token to score on both sides, or for a budget outside 0.001...1.
    package init(
        engine: Engine, pairs: [ContrastivePair], budget: Double, maximumPairCount: Int
    ) throws(TillerError) {
        guard budget >= 0.001, budget <= 1 else {
            throw .invalidOption("the KL budget is \(budget) nats, expected 0.001...1")
        }
        measurement = try ProfileMeasurement(engine: engine)
        self.pairs = try measurement.scored(pairs.spread(maximumPairCount), tokenLimit: Self.tokenLimit)
        guard self.pairs.count > 0 else {
            throw .invalidOption("no pair has a token to score on both sides")
        }
        self.budget = budget
    }

    /// Measures a profile at positive and negative strengths.
    ///
    /// - Parameter progress: called with (points done, total points).
    package func calibrate(_ profile: SteeringProfile, progress: (Int, Int) -> Void) throws(TillerError)
        -> ProfileCalibration
    {
        let calibration = measurement.calibration
        var strengths: Set<Float> = []
        var ends: [Float] = []
        for sign: Float in [-1, 1] {
            let everyday = calibration.strength(
                of: profile, costing: budget, sign: sign, by: \.divergence)
            let end = max(
                calibration.strength(
                    of: profile, costing: max(StrengthCalibration.limit, budget), start: everyday * 2,
                    sign: sign), everyday)
            strengths.formUnion(Self.withinBudget.map { sign * $0 * everyday })
            if end > everyday {
                strengths.formUnion(Self.beyondBudget.map { sign * (everyday + $0 * (end - everyday)) })
            }
            ends.append(sign * end)
        }
        var points: [CalibrationPoint] = []
        for strength in strengths.sorted() {
            progress(points.count, strengths.count)
            points.append(try measure(profile, strength))
        }
        progress(points.count, strengths.count)
        let best = points.filter { $0.spent <= budget * 1.1 && $0.effect > 0 }.max { $0.effect < $1.effect }
        return ProfileCalibration(
            budget: budget, pairCount: pairs.count, points: points, recommended: best,
            safeRange: ends[0]...ends[1])
    }

    private func measure(_ profile: SteeringProfile, _ strength: Float) throws(TillerError)
        -> CalibrationPoint
    {
        let calibration = measurement.calibration
        let shifts = try measurement.shifts(of: profile, strength: strength, on: pairs)
        let damage = calibration.measuring.damage(of: profile, strength: strength)
        return CalibrationPoint(
            strength: strength, effect: RunningMean(shifts).mean, interval: bootstrapInterval(of: shifts),
            spent: calibration.choosing.damage(of: profile, strength: strength).divergence,
            damage: damage.divergence, lossRise: damage.lossRise)
    }
}
