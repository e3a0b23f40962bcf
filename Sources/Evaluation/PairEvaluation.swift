// SPDX-License-Identifier: Apache-2.0
// Does steering move a model from the negative to the positive side of contrastive pairs?

import JSON
import Kernels
import Steering
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
    /// Scores every pair without and with steering; pairs with a side that has no token of its own are left out.
    ///
    /// - Parameter onPair: called after each pair with (pairs done, pairs in all).
    package static func measure(
        _ pairs: [ContrastivePair], engine: Engine, steering: [Steer],
        onPair: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> PairEvaluation {
        try measure(pairs, engine: engine, plan: engine.plan(steering), onPair: onPair)
    }

    /// The same under a plan that may come from another file.
    package static func measure(
        _ pairs: [ContrastivePair], engine: Engine, plan steeredPlan: SteeringPlan,
        onPair: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> PairEvaluation {
        let scorer = try PairScorer(engine: engine)
        var plain: [Double] = [], steered: [Double] = []
        for (index, pair) in pairs.enumerated() {
            if let tokens = try scorer.tokenized(pair) {
                let before = try scorer.logOdds(of: tokens, under: .none)
                plain.append(before)
                steered.append(
                    steeredPlan.isEmpty ? before : try scorer.logOdds(of: tokens, under: steeredPlan))
            }
            onPair(index + 1, pairs.count)
        }
        guard !plain.isEmpty else {
            throw .invalidOption("no pair has a token to score on both sides")
        }
        return PairEvaluation(plain: plain, steered: steered, isSteered: !steeredPlan.isEmpty)
    }
}

/// Scores sides of pairs with one session.
package struct PairScorer {
    private let session: Session
    package var engine: Engine { session.engine }
    /// Longer sides are scored over their first tokens.
    package static let tokenLimit = 1024

    package init(engine: Engine) throws(TillerError) {
        session = try engine.makeSession(contextLength: min(Self.tokenLimit, max(engine.contextLength, 16)))
    }

    /// The pair's tokens, cut to what can be scored; nil where a side has none of its own.
    package func tokenized(_ pair: ContrastivePair) throws(TillerError) -> TokenizedPair? {
        try pair.tokenized(engine: session.engine, limit: session.contextLength)
    }

    /// mean ln P(positive | prompt) − mean ln P(negative | prompt), in nats by token.
    package func logOdds(of pair: TokenizedPair, under plan: SteeringPlan) throws(TillerError) -> Double {
        session.setPlan(plan)
        session.rewind(to: 0)
        return try logOdds(of: pair)
    }

    /// The same for many pairs; what a prompt shares with the one before, a chat template's beginning at least, is
    /// evaluated once.
    package func logOdds(of pairs: [TokenizedPair], under plan: SteeringPlan) throws(TillerError) -> [Double]
    {
        session.setPlan(plan)
        session.rewind(to: 0)
        var found: [Double] = []
        for pair in pairs { found.append(try logOdds(of: pair)) }
        return found
    }

    /// Keeps what the session holds of the pair's prompt.
    private func logOdds(of pair: TokenizedPair) throws(TillerError) -> Double {
        let end = pair.start + 1
        if pair.positive.count == end, pair.negative.count == end,
            pair.positive[..<pair.start] == pair.negative[..<pair.start]
        {
            // Answers of one token: both are in the distribution after the prompt.
            try session.advance(to: Array(pair.prompt))
            let logits = session.currentLogits
            return Double(logits[Int(pair.positive[pair.start])] - logits[Int(pair.negative[pair.start])])
        }
        // What both sides begin with is evaluated once; logits are computed where a token is scored.
        let same = zip(pair.positive, pair.negative).prefix { $0 == $1 }.count
        let first = pair.start - 1, parting = max(same - 1, first)
        if first > 0 {
            try session.advance(to: Array(pair.positive[..<first]))
        } else {
            session.rewind(to: 0)
        }
        let common = try logLikelihood(pair.positive[first...parting])
        let positive = try logLikelihood(pair.positive[parting...])
        session.rewind(to: parting)
        let negative = try logLikelihood(pair.negative[parting...])
        return (common + positive) / Double(pair.positive.count - pair.start)
            - (common + negative) / Double(pair.negative.count - pair.start)
    }

    /// Σ ln P of all but the first token, which goes on where the session stands; the last one is not evaluated.
    private func logLikelihood(_ tokens: ArraySlice<Int32>) throws(TillerError) -> Double {
        guard tokens.count > 1 else { return 0 }
        var sum = 0.0
        try session.evaluate(tokens.dropLast()) { position, logits in
            guard let base = logits.baseAddress else { return }
            let normalizer = session.engine.compute.logSumExp(base, count: logits.count)
            sum += Double(logits[Int(tokens[position + 1])] - normalizer)
        }
        return sum
    }
}
