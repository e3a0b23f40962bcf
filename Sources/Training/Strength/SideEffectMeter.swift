// SPDX-License-Identifier: Apache-2.0
// What steering does to text that has nothing to do with it.

import Evaluation
import Formats
import Steering
import Tiller

/// What a profile does to neutral text, in nats per token.
struct Damage {
    /// Mean KL(plain ‖ steered): never negative, and little noise on a short text.
    let divergence: Double
    /// Rise of the text's own −ln P; x raises perplexity by the factor eˣ.
    let lossRise: Double

    var larger: Double { max(divergence, lossRise) }
}

/// Measures damage on one neutral text.
struct SideEffectMeter {
    private let layerCount: Int
    private let session: Session
    private let texts: [[Int32]]
    /// What the plain model says at every position of every text.
    private let plain: [[PlainDistribution]]

    /// - Parameter session: its context holds `NeutralText.tokenLimit` tokens; whatever it holds is lost.
    init(_ text: NeutralText, session: Session) {
        let engine = session.engine
        texts = text.tokens(engine)
        self.session = session
        layerCount = engine.model.configuration.layerCount
        session.setPlan(.none)
        plain = texts.map { tokens in
            var rows: [PlainDistribution] = []
            session.evaluateAllLogits(tokens) { position, logits in
                let next = position + 1 < tokens.count ? tokens[position + 1] : nil
                rows.append(PlainDistribution(logits: logits, next: next, engine.compute))
            }
            return rows
        }
    }

    /// Mean −ln P of the text under the plain model, in nats per token.
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

    func damage(of profile: SteeringProfile, strength: Float) -> Damage {
        damage(of: profile.plan(strength: strength, layerCount: layerCount))
    }

    /// The strength that costs a divergence to within 2 %, with what it costs; the largest one that makes sense where none
    /// costs so much, and none at all for no damage.
    func strength(of profile: SteeringProfile, costing divergence: Double, start: Float)
        -> (strength: Float, damage: Double)
    {
        guard divergence > 0 else { return (0, 0) }
        let found = StrengthSearch(target: divergence, largest: profile.largestStrength)
            .run(start: start) { damage(of: profile, strength: $0).divergence }
            .nearest
        return (found.strength, found.cost)
    }
}

extension SteeringProfile {
    /// Beyond this strength one of its operations does less of what it is for, or the same again.
    var largestStrength: Float {
        operations.reduce(64) { min($0, $1.kind.largestAmount / max(abs($1.coefficient), 1e-3)) }
    }

    /// The plan that measures this profile.
    func plan(strength: Float, layerCount: Int) -> SteeringPlan {
        SteeringPlan(
            active: [ActiveProfile(profile: actingOnScoredText, strength: strength)], layerCount: layerCount)
    }
}
