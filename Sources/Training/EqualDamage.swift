// SPDX-License-Identifier: Apache-2.0
// Ways of steering can only be compared at the same cost: searches for the strength that reaches it.

import Formats
import Tiller

/// By what to multiply a strength whose cost is to become another: KL grows with the square of small strengths.
func costStep(from found: Double, to target: Double) -> Double {
    min(max((target / max(found, 1e-9)).squareRoot(), 0.2), 5)
}

/// The scale up to 16 that reaches a cost to within 2 %, or comes close to it in twelve steps, with what it costs.
func scaleCosting<Scale: BinaryFloatingPoint>(
    _ target: Double, start: Scale, _ cost: (Scale) -> Double
) -> (scale: Scale, damage: Double) {
    var (low, high): (Scale, Scale) = (0, 16)
    var scale = start
    var found = cost(scale)
    for _ in 0..<12 where abs(found / target - 1) > 0.02 {
        if found < target { low = scale } else { high = scale }
        let next = scale * Scale(costStep(from: found, to: target))
        scale = next > low && next < high ? next : (low + high) / 2
        found = cost(scale)
    }
    return (scale, found)
}

extension StrengthCalibration {
    /// The strength that costs a divergence to within 2 %, with what it costs; the largest one that makes sense where
    /// none costs so much.
    func equalDamage(of profile: SteeringProfile, costing target: Double, start: Float) -> (Float, Double) {
        let largest = profile.largestStrength
        var strength = min(max(start, 1e-3), largest)
        var (low, high): (Float, Float) = (0, largest)
        var best: (strength: Float, damage: Double) = (0, 0)
        guard target > 0 else { return best }
        for _ in 0..<14 {
            let found = damage(of: profile, strength: strength).divergence
            if best.strength == 0 || abs(found - target) < abs(best.damage - target) {
                best = (strength, found)
            }
            if abs(found / target - 1) < 0.02 { break }
            if found < target { low = strength } else { high = strength }
            if low >= largest { break }
            let next = strength * Float(costStep(from: found, to: target))
            strength = next > low && next < high ? next : high == largest ? largest : (low + high) / 2
        }
        return best
    }
}

extension ProfileMeasurement {
    /// Changes of pairs' log-odds at the strength that costs a divergence to within 2 %.
    package func exactShifts(
        of profile: SteeringProfile, on pairs: ScoredPairs, costing divergence: Double, start: Float
    ) throws(TillerError) -> (strength: Float, damage: Double, shifts: [Double]) {
        let (strength, damage) = calibration.equalDamage(of: profile, costing: divergence, start: start)
        return (strength, damage, try shifts(of: profile, strength: strength, on: pairs))
    }
}
