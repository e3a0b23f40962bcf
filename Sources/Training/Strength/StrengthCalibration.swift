// SPDX-License-Identifier: Apache-2.0
// How strong may a profile be? Absolute coefficients do not carry over from model to model, so the strength is
// set by what it costs: how much worse the model gets on text that has nothing to do with the profile. It is chosen on one
// text, and what it costs is told by another: on the text that chose it, every strength costs what it was chosen for.

import Formats
import Steering
import Tiller

/// Strengths found for a profile.
package struct CalibratedStrength: Sendable {
    /// Where the damage reaches the budget for everyday use.
    package let recommended: Float
    /// Where it reaches the limit, beyond which text falls apart.
    package let maximum: Float
    /// Damage at the recommended strength on text that had no part in choosing it, in nats per token.
    package let damage: Double
}

/// Chooses strengths, and measures what they cost.
struct StrengthCalibration {
    /// Raises the perplexity of other text by about 5 % (2 to 8 % over the profiles that this was chosen with).
    static let budget = 0.035
    static let limit = 0.4

    /// Where strengths are chosen, and where their side effects and those of controls are measured.
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

    /// Finds the strengths for everyday use and at the limit.
    func calibrate(_ profile: SteeringProfile) -> CalibratedStrength {
        let recommended = strength(of: profile, costing: Self.budget)
        let maximum = strength(of: profile, costing: Self.limit, start: recommended * 2)
        return CalibratedStrength(
            recommended: recommended, maximum: max(maximum, recommended),
            damage: measuring.damage(of: profile, strength: recommended).larger)
    }

    /// The strength of two digits at which a profile costs `target` nats per token, within a tenth of the target, or the
    /// next lower one that was measured; at most the largest one that makes sense for its operations.
    ///
    /// - Parameters:
    ///   - sign: −1 measures negative strengths; the size is returned.
    ///   - cost: what is compared with the target.
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
