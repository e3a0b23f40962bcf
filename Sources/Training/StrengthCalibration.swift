// SPDX-License-Identifier: Apache-2.0
// How strong may a profile be? Absolute coefficients do not carry over from model to model, so the strength is
// set by what it costs: how much worse the model gets on text that has nothing to do with the profile.

import Evaluation
import Formats
import Steering
import Tiller

/// Strengths found for a profile.
struct CalibratedStrength {
    /// Where the damage reaches the budget for everyday use.
    let recommended: Float
    /// Where it reaches the limit, beyond which text falls apart.
    let maximum: Float
    /// Damage in nats by token at the recommended strength.
    let damage: Double
}

/// Measures damage on neutral text, in nats by token: mean KL(plain ‖ steered), or the rise of the text's own
/// −ln P where that is larger. A rise of the second by x raises perplexity by the factor eˣ; the first is never
/// negative and less noisy on a short text.
struct StrengthCalibration {
    /// Raises the perplexity of other text by about 5 % (2 to 8 % over the profiles that this was chosen with).
    static let budget = 0.035
    static let limit = 0.4

    private let layerCount: Int
    private let session: Session
    private let texts: [[Int32]]
    /// What the plain model says at every position of every text.
    private let plain: [[PlainDistribution]]

    init(engine: Engine) throws(TillerError) {
        texts = NeutralText.passages.map { Array(engine.encode($0).prefix(128)) }
        session = try engine.makeSession(contextLength: 128)
        layerCount = engine.model.configuration.layerCount
        plain = Self.distributions(of: texts, session: session)
    }

    /// Finds the strengths for everyday use and at the limit.
    func calibrate(_ profile: SteeringProfile) -> CalibratedStrength {
        let recommended = strength(of: profile, costing: Self.budget)
        let maximum = strength(of: profile, costing: Self.limit, start: recommended * 2)
        return CalibratedStrength(
            recommended: recommended, maximum: max(maximum, recommended),
            damage: damage(of: profile, strength: recommended))
    }

    /// The strength at which a profile costs `target` nats by token, within a tenth of the target, rounded down
    /// to two digits.
    ///
    /// KL grows with the square of small strengths, which makes the secant in √damage converge in a few steps;
    /// the bracket catches what does not obey.
    func strength(of profile: SteeringProfile, costing target: Double, start: Float = 0.25) -> Float {
        var (low, high): (Float, Float) = (0, 64)
        var strength = start
        for _ in 0..<10 {
            let found = damage(of: profile, strength: strength)
            if abs(found / target - 1) < 0.1 { break }
            if found < target { low = strength } else { high = strength }
            let next = strength * Float(min(max((target / max(found, 1e-9)).squareRoot(), 0.2), 5))
            strength = next > low && next < high ? next : (low + high) / 2
        }
        let scale: Float = strength < 0.1 ? 1000 : strength < 1 ? 100 : 10
        return max((strength * scale).rounded(.down) / scale, 0.001)
    }

    private func damage(of profile: SteeringProfile, strength: Float) -> Double {
        session.setPlan(profile.plan(strength: strength, layerCount: layerCount))
        var divergence = RunningMean(), rise = RunningMean()
        for (tokens, before) in zip(texts, plain) {
            session.evaluateAllLogits(tokens) { position, logits in
                let (kl, loss) = before[position].compare(to: logits, session.engine.compute)
                divergence.add(kl)
                if let loss { rise.add(loss) }
            }
        }
        return max(divergence.mean, rise.mean)
    }

    private static func distributions(of texts: [[Int32]], session: Session) -> [[PlainDistribution]] {
        texts.map { tokens in
            var rows: [PlainDistribution] = []
            session.evaluateAllLogits(tokens) { position, logits in
                let next = position + 1 < tokens.count ? tokens[position + 1] : nil
                rows.append(PlainDistribution(logits: logits, next: next, session.engine.compute))
            }
            return rows
        }
    }
}

extension SteeringProfile {
    /// The plan that measures this profile: on every token, since scored text has no generated part; gates that a prompt
    /// opens for what is generated are open.
    func plan(strength: Float, layerCount: Int) -> SteeringPlan {
        var profile = self
        profile.phase = .both
        for index in operations.indices where operations[index].gate?.scope == .prompt {
            profile.operations[index].gate = nil
        }
        return SteeringPlan(
            active: [ActiveProfile(profile: profile, strength: strength)], layerCount: layerCount)
    }
}
