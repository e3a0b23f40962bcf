// SPDX-License-Identifier: Apache-2.0
// Chooses a profile's strength. Absolute coefficients do not transfer between models, so the strength follows from its
// cost: the side effect on neutral text. One text chooses the strength, another one measures its cost: on the first text
// every strength costs what it was chosen for.

import Formats
import Steering
import Tiller

/// The calibrated strengths of a profile.
package struct CalibratedStrength: Sendable {
    /// Where the side effect reaches the budget for everyday use.
    package let recommended: Float
    /// Where it reaches the limit, beyond which text degenerates.
    package let maximum: Float
    /// Side effect at the recommended strength, on text that did not choose it, in nats per token.
    package let damage: Double
}

/// Chooses strengths, and measures their cost.
struct StrengthCalibration {
    /// Raises the perplexity of neutral text by about 5 % (2 to 8 % over the profiles for which this was chosen).
    static let budget = 0.035
    static let limit = 0.4

    /// For choosing strengths, and for measuring side effects, those of controls too.
    let choosing, measuring: SideEffectMeter

    init(engine: Engine) throws(TillerError) {
        let session = try engine.makeSession(contextLength: NeutralText.tokenLimit, forAllLogits: true)
        choosing = SideEffectMeter(.choosing, session: session)
        measuring = SideEffectMeter(.measuring, session: session)
    }

    func meter(_ text: NeutralText) -> SideEffectMeter {
        switch text {
        case .choosing: choosing
        case .measuring: measuring
        }
    }

    /// Finds the recommended strength and the maximum.
    func calibrate(_ profile: SteeringProfile) -> CalibratedStrength {
        let recommended = strength(of: profile, costing: Self.budget)
        let maximum = strength(of: profile, costing: Self.limit, start: recommended * 2)
        return CalibratedStrength(
            recommended: recommended, maximum: max(maximum, recommended),
            damage: measuring.damage(of: profile, strength: recommended).larger)
    }

    /// The strength, rounded to two digits, that costs `target` nats per token within a tenth of the target, or else the
    /// next lower measured strength; at most the largest useful one for its operations.
    ///
    /// - Parameters:
    ///   - sign: −1 measures negative strengths; the magnitude is returned.
    ///   - cost: the quantity to compare with the target.
    func strength(
        of profile: SteeringProfile, costing target: Double, start: Float = 0.25, sign: Float = 1,
        by cost: (Damage) -> Double = \.larger
    ) -> Float {
        StrengthSearch(
            target: target, largest: profile.largestStrength, tolerance: 0.1, isReadable: true
        )
        .run(start: start) { cost(choosing.damage(of: profile, strength: sign * $0)) }
        .affordable.strength
    }
}
