// SPDX-License-Identifier: Apache-2.0
// Computes ln P of an item's choices. The question, which they share, is evaluated once.

import Kernels
import Steering
import Tiller

/// Scores the choices of several items at a time.
package struct ChoiceScorer {
    /// Sessions that are evaluated as one batch, one per item.
    private let sessions: [Session]
    private let engine: Engine
    /// Longer items lose their beginning.
    package static let tokenLimit = 4096
    /// Items in a batch.
    package static let itemCount = 16

    package init(engine: Engine) throws(TillerError) {
        self.engine = engine
        sessions = try engine.makeSessions(count: Self.itemCount, tokenLimit: Self.tokenLimit)
    }

    /// Whether a gate of the last plan has opened for any token; nil without gates.
    package var hasOpenedGate: Bool? { sessions.haveOpenedGate }

    /// Number of tokens to evaluate for the longest question with its choice.
    package func longestText(of items: some Collection<ChoiceItem>) throws(TillerError) -> Int {
        var longest = 0
        for item in items {
            for text in try tokenized(item) { longest = max(longest, text.tokens.count - 1) }
        }
        return longest
    }

    /// ln P(choice | question) of every choice of every item, in nats.
    package func logLikelihoods(of items: some Collection<ChoiceItem>, under plan: SteeringPlan)
        throws(TillerError) -> [[Double]]
    {
        for session in sessions { session.setPlan(plan) }
        var texts: [[ChoiceText]] = []
        for item in items { texts.append(try tokenized(item)) }
        var results: [[Double]] = []
        for start in stride(from: 0, to: texts.count, by: sessions.count) {
            results += try logLikelihoods(ofFew: texts[start..<min(start + sessions.count, texts.count)])
        }
        return results
    }

    /// Scores the first choice of all items, then the second, and so on: each session keeps its question for the next choice.
    private func logLikelihoods(ofFew items: ArraySlice<[ChoiceText]>) throws(TillerError) -> [[Double]] {
        var sums = items.map { [Double](repeating: 0, count: $0.count) }
        for choice in 0..<(items.map(\.count).max() ?? 0) {
            let scored = zip(sessions, items).enumerated().compactMap { index, pair in
                pair.1.indices.contains(choice) ? (item: index, session: pair.0, text: pair.1[choice]) : nil
            }
            try Session.evaluate(scored.map { ($0.session, $0.session.keepBeginning(of: $0.text.question)) })
            try Session.evaluate(scored.map { ($0.session, $0.text.toScore) }) { index, position, logits in
                let token = scored[index].text.tokens[position + 1]
                sums[scored[index].item][choice] += engine.compute.logLikelihood(of: token, logits)
            }
        }
        return sums
    }

    /// Encodes question and choice as one text. Its first tokens, as many as the question alone has, are the question's:
    /// lm-evaluation-harness' rule. Few vocabularies merge across the boundary; if one does, the choice begins after the
    /// merged token.
    private func tokenized(_ item: ChoiceItem) throws(TillerError) -> [ChoiceText] {
        let begin = engine.beginOfText.map { [$0] } ?? []
        let (question, choices) = item.parts
        let questionCount = begin.count + engine.encode(question, addingSpecial: false).count
        var results: [ChoiceText] = []
        for choice in choices {
            var tokens = begin + engine.encode(question + choice, addingSpecial: false)
            guard tokens.count >= 2 else {
                throw .invalidOption("'\(question + choice)' is one token; nothing comes before the choice")
            }
            // At least one token precedes the scored ones, and at least one is scored.
            var start = min(max(questionCount, 1), tokens.count - 1)
            // The last token is scored but never evaluated.
            let surplus = tokens.count - 1 - sessions[0].contextLength
            if surplus > 0 {
                tokens.removeFirst(surplus)
                start = max(start - surplus, 1)
            }
            results.append(ChoiceText(tokens: tokens, first: start - 1))
        }
        return results
    }
}

/// A question with one of its choices.
private struct ChoiceText {
    let tokens: [Int32]
    /// The last token before the choice; its logits are the first to score.
    let first: Int

    var question: ArraySlice<Int32> { tokens[..<first] }
    /// The last token is scored but never evaluated.
    var toScore: ArraySlice<Int32> { tokens[first...].dropLast() }
}
