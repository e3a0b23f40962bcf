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

/// What a profile does to neutral text, in nats by token.
struct Damage {
    /// Mean KL(plain ‖ steered): never negative, and little noise on a short text.
    let divergence: Double
    /// Rise of the text's own −ln P; x raises perplexity by the factor eˣ.
    let lossRise: Double

    var larger: Double { max(divergence, lossRise) }
}

/// Measures damage on neutral text.
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
            damage: damage(of: profile, strength: recommended).larger)
    }

    /// The strength at which a profile costs `target` nats by token, within a tenth of the target, rounded down
    /// to two digits; at most the largest one that makes sense for its operations.
    ///
    /// KL grows with the square of small strengths, which makes the secant in √damage converge in a few steps;
    /// the bracket catches what does not obey.
    /// - Parameters:
    ///   - sign: −1 measures negative strengths; the size is returned.
    ///   - cost: what is held against the target.
    func strength(
        of profile: SteeringProfile, costing target: Double, start: Float = 0.25, sign: Float = 1,
        by cost: (Damage) -> Double = \.larger
    ) -> Float {
        let largest = profile.largestStrength
        var (low, high): (Float, Float) = (0, largest)
        var strength = min(start, largest)
        for _ in 0..<10 {
            let found = cost(damage(of: profile, strength: sign * strength))
            if abs(found / target - 1) < 0.1 { break }
            if found < target { low = strength } else { high = strength }
            // Everything that makes sense is allowed.
            if low == largest { return largest }
            let next = strength * Float(costStep(from: found, to: target))
            if next >= largest, high == largest {
                strength = largest
            } else {
                strength = next > low && next < high ? next : (low + high) / 2
            }
        }
        let scale: Float = strength < 0.1 ? 1000 : strength < 1 ? 100 : 10
        return max((strength * scale).rounded(.down) / scale, 0.001)
    }

    func damage(of profile: SteeringProfile, strength: Float) -> Damage {
        damage(of: profile.plan(strength: strength, layerCount: layerCount))
    }

    /// Mean −ln P of the neutral text under the plain model, in nats by token.
    var plainLoss: Double { RunningMean(plain.joined().compactMap(\.nextLoss)).mean }

    func damage(of plan: SteeringPlan) -> Damage {
        session.setPlan(plan)
        var divergence = RunningMean(), rise = RunningMean()
        for (tokens, before) in zip(texts, plain) {
            session.evaluateAllLogits(tokens) { position, logits in
                let (kl, loss) = before[position].compare(to: logits, session.engine.compute)
                divergence.add(kl)
                if let loss { rise.add(loss) }
            }
        }
        return Damage(divergence: divergence.mean, lossRise: rise.mean)
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
    /// Beyond this strength an operation does less of what it is for, or the same again: at 1 a direction is gone, a
    /// bound reached, and after a quarter turn the direction is.
    var largestStrength: Float {
        operations.reduce(64) { least, operation in
            let own: Float =
                switch operation.kind {
                case .add, .scale: 64
                case .projectOut, .clamp: 1
                case .rotate(_, let target): target == nil ? .pi / 2 : 1
                }
            return min(least, own / max(abs(operation.coefficient), 1e-3))
        }
    }

    /// The plan that measures this profile: on every token, since scored text has no generated part; gates that a prompt
    /// opens for what is generated are open.
    func plan(strength: Float, layerCount: Int) -> SteeringPlan {
        SteeringPlan(
            active: [ActiveProfile(profile: actingEverywhere, strength: strength)], layerCount: layerCount)
    }

    /// The profile as it is measured.
    var actingEverywhere: SteeringProfile {
        var profile = self
        profile.phase = .both
        for index in operations.indices where operations[index].gate?.scope == .prompt {
            profile.operations[index].gate = nil
        }
        return profile
    }
}
