// SPDX-License-Identifier: Apache-2.0
// Does steering move a model from the negative to the positive side of contrastive pairs?

import JSON
import Tiller

/// Log-odds of the positive over the negative side, in nats by token, plain and steered.
public struct PairEvaluation: Sendable {
    /// mean ln P(positive) − mean ln P(negative), each averaged over the tokens of its side; one for each pair.
    public let plain: [Double]
    /// The same under steering; equal to `plain` where nothing steers.
    public let steered: [Double]
    private let isSteered: Bool

    /// What steering changed, by pair.
    public var shifts: [Double] { zip(steered, plain).map { $0 - $1 } }
    public var meanLogOdds: Double { mean(steered) }
    public var meanShift: Double { mean(shifts) }
    /// Share of pairs that moved towards the positive side.
    public var shareShifted: Double { Double(shifts.filter { $0 > 0 }.count) / Double(max(shifts.count, 1)) }

    package var json: JSON.Object {
        // The interval belongs to what was asked: the shift where something steers, else the log-odds.
        let interval = bootstrapInterval(of: isSteered ? shifts : steered)
        return [
            "mean_log_odds": .number(meanLogOdds), "plain_mean_log_odds": .number(mean(plain)),
            "mean_shift": .number(meanShift), "share_shifted": .number(shareShifted),
            "interval": .array([.number(interval.lowerBound), .number(interval.upperBound)]),
            "pairs": .integer(plain.count),
        ]
    }

    private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }
}

extension PairEvaluation {
    /// Scores every pair without and with steering.
    ///
    /// - Parameter onPair: called after each pair with (pairs done, pairs in all).
    package static func measure(
        _ pairs: [ContrastivePair], engine: Engine, steering: [Steer],
        onPair: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> PairEvaluation {
        var scorer = try PairScorer(engine: engine, pairs: pairs)
        let steeredPlan = try engine.plan(steering)
        var plain: [Double] = [], steered: [Double] = []
        for (index, pair) in pairs.enumerated() {
            scorer.session.setPlan(.none)
            plain.append(try scorer.logOdds(of: pair))
            if steeredPlan.isEmpty {
                steered.append(plain[index])
            } else {
                scorer.session.setPlan(steeredPlan)
                steered.append(try scorer.logOdds(of: pair))
            }
            onPair(index + 1, pairs.count)
        }
        return PairEvaluation(plain: plain, steered: steered, isSteered: !steeredPlan.isEmpty)
    }
}

/// Scores sides of pairs with one session.
package struct PairScorer {
    package let session: Session
    /// Longer sides are scored over their first tokens.
    package static let tokenLimit = 1024

    package init(engine: Engine, pairs: [ContrastivePair]) throws(TillerError) {
        session = try engine.makeSession(contextLength: min(Self.tokenLimit, max(engine.contextLength, 16)))
    }

    /// mean ln P(positive | prompt) − mean ln P(negative | prompt)
    package mutating func logOdds(of pair: ContrastivePair) throws(TillerError) -> Double {
        try logLikelihood(pair, pair.positive) - logLikelihood(pair, pair.negative)
    }

    private func logLikelihood(_ pair: ContrastivePair, _ side: String) throws(TillerError) -> Double {
        let (tokens, start) = try pair.tokens(of: side, engine: session.engine)
        let scored = Array(tokens.prefix(session.contextLength))
        guard start < scored.count else {
            throw .invalidOption(
                "a side has no token to score within \(session.contextLength): '\(side.prefix(40))'")
        }
        var sum = 0.0
        session.evaluateAll(scored) { position, logProbability in
            guard position + 1 >= start, position + 1 < scored.count else { return }
            sum += Double(logProbability(scored[position + 1]))
        }
        return sum / Double(scored.count - start)
    }
}
