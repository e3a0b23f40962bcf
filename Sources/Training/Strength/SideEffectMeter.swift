// SPDX-License-Identifier: Apache-2.0
// Measures the side effect of steering on neutral text.

import Evaluation
import Formats
import Steering
import Tiller

/// A profile's side effect on neutral text, in nats per token.
struct Damage {
    /// Mean KL divergence KL(plain ‖ steered): never negative, and with little noise on a short text.
    let divergence: Double
    /// Increase of the text's −ln P; an increase of x multiplies perplexity by eˣ.
    let lossRise: Double

    var larger: Double { max(divergence, lossRise) }
}

/// Measures side effects on one neutral text.
struct SideEffectMeter {
    private let layerCount: Int
    private let session: Session
    private let texts: [[Int32]]
    /// The unsteered distributions at every position of every text.
    private let plain: [[PlainDistribution]]

    /// - Parameter session: its context holds at least `NeutralText.tokenLimit` tokens; its contents are overwritten.
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

    /// Mean −ln P of the text under the unsteered model, in nats per token.
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

    /// The strength whose KL divergence is within 2 % of the given one, with its KL divergence. The largest useful
    /// strength where the divergence is never reached; 0 for a divergence of 0.
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
    /// Largest useful strength: no operation exceeds its largest amount.
    var largestStrength: Float {
        operations.reduce(64) { min($0, $1.kind.largestAmount / max(abs($1.coefficient), 1e-3)) }
    }

    /// The plan for measuring this profile.
    func plan(strength: Float, layerCount: Int) -> SteeringPlan {
        SteeringPlan(
            active: [ActiveProfile(profile: actingOnScoredText, strength: strength)], layerCount: layerCount)
    }
}
