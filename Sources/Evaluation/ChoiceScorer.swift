// SPDX-License-Identifier: Apache-2.0
// ln P of the choices of items. What those of an item have in common, the question, is evaluated once.

import Kernels
import Steering
import Tiller

/// Scores the choices of several items at a time.
package struct ChoiceScorer {
    /// Timelines that go through the model together, one for each item.
    private let sessions: [Session]
    private let engine: Engine
    /// Of longer items the beginning is left out.
    package static let tokenLimit = 4096
    /// Items that are scored together.
    package static let itemCount = 16

    package init(engine: Engine) throws(TillerError) {
        self.engine = engine
        sessions = try engine.makeSessions(count: Self.itemCount, tokenLimit: Self.tokenLimit)
    }

    /// Whether a gate of the last plan has opened for any token; nil without gates.
    package var hasOpenedGate: Bool? { sessions.haveOpenedGate }

    /// Tokens that are evaluated of the longest question with its choice.
    package func longestText(of items: some Collection<ChoiceItem>) throws(TillerError) -> Int {
        var longest = 0
        for item in items {
            for text in try tokenized(item) { longest = max(longest, text.tokens.count - 1) }
        }
        return longest
    }

    /// ln P(choice | question) of each choice of each item, in nats.
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

    /// One choice of all items after the other: what a timeline holds of the question serves the next one.
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

    /// Question and choice are encoded as one text, of which the first tokens, as many as the question alone has, are
    /// the question's: lm-evaluation-harness' rule. Few vocabularies merge over the boundary; where one does, the
    /// choice begins behind the merged token.
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
            // Something comes before what is scored, and something is scored.
            var start = min(max(questionCount, 1), tokens.count - 1)
            // The last token is scored and never evaluated.
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
    /// The token before the first of the choice: its logits are the first that count.
    let first: Int

    var question: ArraySlice<Int32> { tokens[..<first] }
    /// The last token is scored and never evaluated.
    var toScore: ArraySlice<Int32> { tokens[first...].dropLast() }
}
