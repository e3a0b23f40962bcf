// SPDX-License-Identifier: Apache-2.0
// How strong may a profile be? Absolute coefficients do not carry over from model to model, so the strength is
// set by what it costs: the divergence of the next-token distribution on text that has nothing to do with it.

import Evaluation
import Formats
import Glibc
import Steering
import Tiller

/// Strengths found for a profile.
struct CalibratedStrength {
    /// Where the divergence reaches the budget for everyday use.
    let recommended: Float
    /// Where it reaches the limit, beyond which text falls apart.
    let maximum: Float
    /// Mean KL in nats by token at the recommended strength.
    let divergence: Double
}

/// Measures mean KL(plain ‖ steered) on neutral text.
struct StrengthCalibration {
    /// Nats by token; perplexity rises by less than a tenth at the first.
    static let budget = 0.08, limit = 0.4

    private let engine: Engine
    private let session: Session
    private let tokens: [Int32]
    /// ln P of every position, [tokens × vocabularySize].
    private let plain: [Float]

    init(engine: Engine) throws(TillerError) {
        let tokens = Array(engine.encode(NeutralText.prose).prefix(160))
        let session = try engine.makeSession(contextLength: max(tokens.count, 1))
        self.engine = engine
        self.session = session
        self.tokens = tokens
        plain = Self.logProbabilities(of: tokens, session: session, engine: engine)
    }

    /// Finds the strengths by bisection; divergence grows with strength.
    func calibrate(_ profile: SteeringProfile, progress: (TrainingProgress) -> Void) throws(TillerError)
        -> CalibratedStrength
    {
        let recommended = strength(of: profile, reaching: Self.budget, progress)
        let maximum = strength(of: profile, reaching: Self.limit, progress)
        return CalibratedStrength(
            recommended: recommended, maximum: max(maximum, recommended),
            divergence: divergence(of: profile, strength: recommended))
    }

    private func strength(
        of profile: SteeringProfile, reaching target: Double, _ progress: (TrainingProgress) -> Void
    ) -> Float {
        var (low, high): (Float, Float) = (0, 0.25)
        while high < 64, divergence(of: profile, strength: high) < target { (low, high) = (high, high * 2) }
        for _ in 0..<5 {
            let middle = (low + high) / 2
            let value = divergence(of: profile, strength: middle)
            progress(.calibrating(strength: middle, divergence: value))
            if value < target { low = middle } else { high = middle }
        }
        // Two digits are all that the bisection knows.
        let scale: Float = low < 1 ? 100 : 10
        return max((low * scale).rounded(.down) / scale, 0.01)
    }

    private func divergence(of profile: SteeringProfile, strength: Float) -> Double {
        session.setPlan(
            SteeringPlan(
                active: [ActiveProfile(profile: profile, strength: strength)],
                layerCount: engine.model.configuration.layerCount))
        let vocabularySize = engine.vocabularySize
        var total = RunningMean()
        session.evaluateAllLogits(tokens) { position, logits in
            guard let base = logits.baseAddress else { return }
            let normalizer = engine.compute.logSumExp(base, count: vocabularySize)
            var sum = 0.0
            let row = position * vocabularySize
            for token in 0..<vocabularySize where plain[row + token] > -20 {
                let before = plain[row + token]
                sum += Double(expf(before) * (before - (logits[token] - normalizer)))
            }
            total.add(sum)
        }
        return total.mean
    }

    private static func logProbabilities(of tokens: [Int32], session: Session, engine: Engine) -> [Float] {
        var rows: [Float] = []
        rows.reserveCapacity(tokens.count * engine.vocabularySize)
        session.evaluateAllLogits(tokens) { _, logits in
            guard let base = logits.baseAddress else { return }
            let normalizer = engine.compute.logSumExp(base, count: logits.count)
            rows.append(contentsOf: logits.lazy.map { $0 - normalizer })
        }
        return rows
    }
}
