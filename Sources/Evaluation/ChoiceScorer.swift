// SPDX-License-Identifier: Apache-2.0
// ln P of the choices of an item. What they have in common, the question, is evaluated once.

import Kernels
import Steering
import Tiller

/// Scores choices with one session.
package struct ChoiceScorer {
    private let session: Session
    /// Of longer items the beginning is left out.
    package static let tokenLimit = 4096

    package init(engine: Engine) throws(TillerError) {
        session = try engine.makeSession(contextLength: min(Self.tokenLimit, max(engine.contextLength, 16)))
    }

    /// ln P(choice | question) of each choice, in nats.
    package func logLikelihoods(of item: ChoiceItem, under plan: SteeringPlan) throws(TillerError) -> [Double]
    {
        session.setPlan(plan)
        var results: [Double] = []
        for (tokens, start) in try tokenized(item) { results.append(try logLikelihood(tokens, from: start)) }
        return results
    }

    /// Question and choice are encoded as one text, of which the first tokens, as many as the question alone has, are
    /// the question's: lm-evaluation-harness' rule. Few vocabularies merge over the boundary; where one does, the
    /// choice begins behind the merged token.
    private func tokenized(_ item: ChoiceItem) throws(TillerError) -> [(tokens: [Int32], start: Int)] {
        let engine = session.engine
        let begin = engine.beginOfText.map { [$0] } ?? []
        let (question, choices) = item.parts
        let questionCount = begin.count + engine.encode(question, addingSpecial: false).count
        var results: [(tokens: [Int32], start: Int)] = []
        for choice in choices {
            var tokens = begin + engine.encode(question + choice, addingSpecial: false)
            guard tokens.count >= 2 else {
                throw .invalidOption("'\(question + choice)' is one token; nothing comes before the choice")
            }
            // Something comes before what is scored, and something is scored.
            var start = min(max(questionCount, 1), tokens.count - 1)
            // The last token is scored and never evaluated.
            let surplus = tokens.count - 1 - session.contextLength
            if surplus > 0 {
                tokens.removeFirst(surplus)
                start = max(start - surplus, 1)
            }
            results.append((tokens, start))
        }
        return results
    }

    private func logLikelihood(_ tokens: [Int32], from start: Int) throws(TillerError) -> Double {
        // The distribution of the first scored token comes from the token before it.
        let first = start - 1
        session.rewind(to: zip(session.tokens, tokens[..<first]).prefix { $0 == $1 }.count)
        if session.tokens.count < first {
            try session.evaluate(Array(tokens[session.tokens.count..<first]))
        }
        var sum = 0.0
        try session.evaluate(tokens[first..<tokens.count - 1]) { position, logits in
            guard let base = logits.baseAddress else { return }
            let normalizer = session.engine.compute.logSumExp(base, count: logits.count)
            sum += Double(logits[Int(tokens[position + 1])] - normalizer)
        }
        return sum
    }
}
