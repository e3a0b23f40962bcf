// SPDX-License-Identifier: Apache-2.0
// Does steering move a model from the negative to the positive side of contrastive pairs?

import JSON
import Kernels
import Steering
import Tiller

/// Log-odds of the positive over the negative side, in nats per token, without and with steering.
public struct PairEvaluation: Sendable {
    /// mean ln P(positive) − mean ln P(negative), each averaged over the tokens of its side; one per pair.
    public let plain: [Double]
    /// The same with steering; equal to `plain` without steering.
    public let steered: [Double]
    private let isSteered: Bool
    /// Whether a gate of the steering has opened for any token; nil without gates.
    package let hasOpenedGate: Bool?

    /// The change by steering, per pair.
    public var shifts: [Double] { zip(steered, plain).map { $0 - $1 } }
    public var meanLogOdds: Double { mean(steered) }
    public var meanShift: Double { mean(shifts) }
    /// Share of pairs that moved towards the positive side.
    public var shareShifted: Double { Double(shifts.filter { $0 > 0 }.count) / Double(max(shifts.count, 1)) }

    package var json: JSON.Object {
        // The interval of the shift with steering, else of the log-odds.
        let interval = bootstrapInterval(of: isSteered ? shifts : steered)
        var object: JSON.Object = [
            "mean_log_odds": .number(meanLogOdds), "plain_mean_log_odds": .number(mean(plain)),
            "mean_shift": .number(meanShift), "share_shifted": .number(shareShifted),
            "interval": .array([.number(interval.lowerBound), .number(interval.upperBound)]),
            "pairs": .integer(plain.count),
        ]
        object["gates_opened"] = hasOpenedGate.map { .bool($0) }
        return object
    }

    private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }
}

extension PairEvaluation {
    /// Scores every pair without and with steering; pairs with a side that has no token of its own are left out.
    ///
    /// - Parameter onPairs: called after some pairs with (evaluations done, total evaluations).
    package static func measure(
        _ pairs: [ContrastivePair], engine: Engine, steering: [AppliedProfile],
        onPairs: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> PairEvaluation {
        try measure(pairs, engine: engine, plan: engine.scoringPlan(steering), onPairs: onPairs)
    }

    /// The same with a plan, which may come from another file.
    package static func measure(
        _ pairs: [ContrastivePair], engine: Engine, plan steeredPlan: SteeringPlan,
        onPairs: (Int, Int) -> Void = { _, _ in }
    ) throws(TillerError) -> PairEvaluation {
        let scorer = try PairScorer(engine: engine)
        var tokens: [TokenizedPair] = []
        for pair in pairs {
            if let pair = try scorer.tokenized(pair) { tokens.append(pair) }
        }
        guard !tokens.isEmpty else {
            throw .invalidOption("no pair has a token to score on both sides")
        }
        // The last token of a side is scored but never evaluated.
        let longest = tokens.map { max($0.positive.count, $0.negative.count) - 1 }.max() ?? 0
        try steeredPlan.requireAction(within: longest)
        let count = steeredPlan.isEmpty ? tokens.count : 2 * tokens.count
        let plain = try scorer.logOdds(of: tokens, under: .none) { onPairs($0, count) }
        let steered =
            steeredPlan.isEmpty
            ? plain
            : try scorer.logOdds(of: tokens, under: steeredPlan) { onPairs(tokens.count + $0, count) }
        return PairEvaluation(
            plain: plain, steered: steered, isSteered: !steeredPlan.isEmpty,
            hasOpenedGate: scorer.hasOpenedGate)
    }
}

/// Scores sides of pairs, several pairs in a batch.
package struct PairScorer {
    /// Sessions that are evaluated as one batch.
    private let sessions: [Session]
    package let engine: Engine
    /// Longer sides are scored only over their first tokens.
    package static let tokenLimit = 1024
    private static let timelineCount = 16

    package init(engine: Engine) throws(TillerError) {
        self.engine = engine
        sessions = try engine.makeSessions(count: Self.timelineCount, tokenLimit: Self.tokenLimit)
    }

    /// Whether a gate of the last plan has opened for any token; nil without gates.
    package var hasOpenedGate: Bool? { sessions.haveOpenedGate }

    /// The pair's tokens, truncated to the limit; nil where a side has none of its own.
    package func tokenized(_ pair: ContrastivePair) throws(TillerError) -> TokenizedPair? {
        try pair.tokenized(engine: engine, limit: sessions[0].contextLength)
    }

    /// mean ln P(positive | prompt) − mean ln P(negative | prompt) of each pair, in nats per token. The prefix that a
    /// session's prompt shares with the previous one, at least the start of the chat template, is evaluated once.
    ///
    /// - Parameter onPairs: called with the number of pairs done.
    package func logOdds(
        of pairs: [TokenizedPair], under plan: SteeringPlan, onPairs: (Int) -> Void = { _ in }
    ) throws(TillerError) -> [Double] {
        for session in sessions {
            session.setPlan(plan)
            session.rewind(to: 0)
        }
        var found: [Double] = []
        for start in stride(from: 0, to: pairs.count, by: sessions.count) {
            found += try logOdds(ofFew: pairs[start..<min(start + sessions.count, pairs.count)])
            onPairs(found.count)
        }
        return found
    }

    /// Scores at most one pair per session; sessions keep the prefix of their prompts.
    private func logOdds(ofFew pairs: ArraySlice<TokenizedPair>) throws(TillerError) -> [Double] {
        var scored = zip(sessions, pairs).map { ScoredPair($0, $1) }
        // Logits are computed only where a token is scored.
        try Session.evaluate(scored.map { ($0.session, $0.session.keepBeginning(of: $0.prompt)) })
        try Session.evaluate(scored.map { ($0.session, $0.positiveToScore) }) { index, position, logits in
            scored[index].addPositive(position, logits)
        }
        for pair in scored { pair.session.rewind(to: pair.parting) }
        try Session.evaluate(scored.map { ($0.session, $0.negativeToScore) }) { index, position, logits in
            scored[index].addNegative(position, logits)
        }
        return scored.map(\.logOdds)
    }
}

/// Scores one pair in a session: prompt, positive side, rewind to where the sides diverge, negative side.
private struct ScoredPair {
    let session: Session
    let pair: TokenizedPair
    /// The last token of the prompt; its logits are the first to score.
    let first: Int
    /// The last token that both sides share.
    let parting: Int
    /// Whether each side is one token: the distribution after the prompt then scores both.
    let isOneToken: Bool
    private var common = 0.0, positive = 0.0, negative = 0.0

    init(_ session: Session, _ pair: TokenizedPair) {
        (self.session, self.pair) = (session, pair)
        let end = pair.start + 1
        first = pair.start - 1
        isOneToken =
            pair.positive.count == end && pair.negative.count == end
            && pair.positive[..<pair.start] == pair.negative[..<pair.start]
        let same = zip(pair.positive, pair.negative).prefix { $0 == $1 }.count
        parting = isOneToken ? first : max(same - 1, first)
    }

    /// The prompt without its last token.
    var prompt: ArraySlice<Int32> { pair.positive[..<first] }

    /// The last token of a side is not evaluated, since nothing follows it.
    var positiveToScore: ArraySlice<Int32> { pair.positive[first...].dropLast() }
    var negativeToScore: ArraySlice<Int32> { isOneToken ? [] : pair.negative[parting...].dropLast() }

    mutating func addPositive(_ position: Int, _ logits: UnsafeBufferPointer<Float>) {
        if isOneToken {
            positive = Double(logits[Int(pair.positive[pair.start])] - logits[Int(pair.negative[pair.start])])
        } else if position < parting {
            common += logLikelihood(pair.positive[position + 1], logits)
        } else {
            positive += logLikelihood(pair.positive[position + 1], logits)
        }
    }

    mutating func addNegative(_ position: Int, _ logits: UnsafeBufferPointer<Float>) {
        negative += logLikelihood(pair.negative[position + 1], logits)
    }

    private func logLikelihood(_ token: Int32, _ logits: UnsafeBufferPointer<Float>) -> Double {
        session.engine.compute.logLikelihood(of: token, logits)
    }

    var logOdds: Double {
        if isOneToken { return positive }
        return (common + positive) / Double(pair.positive.count - pair.start)
            - (common + negative) / Double(pair.negative.count - pair.start)
    }
}
