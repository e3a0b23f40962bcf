// SPDX-License-Identifier: Apache-2.0
// The simplest thing that could explain an effect: words of the positive side made likelier everywhere. A bias on logits
// knows no context; what steering does beyond it is more than a matter of words.

import Evaluation
import Glibc
import Tiller
import Training

/// A bias on the logits of the tokens seen in pairs, scaled to a damage.
package struct UnigramBias {
    /// ln of the ratio of the token's frequencies in both sides, by token, in the order of the ids.
    private let biases: [(token: Int, bias: Double)]
    private let session: Session
    private let texts: [[Int32]]

    /// - Throws: `TillerError.invalidOption` where no pair has a token on both sides.
    package init(engine: Engine, pairs: [ContrastivePair], tokenLimit: Int) throws(TillerError) {
        session = try engine.makeSession(
            contextLength: min(PairScorer.tokenLimit, max(engine.contextLength, 16)), forAllLogits: true)
        texts = NeutralText.measuring.tokens(engine)
        var counts: [Int: (positive: Double, negative: Double)] = [:]
        var (positive, negative) = (0.0, 0.0)
        for pair in pairs {
            guard let tokens = try pair.tokenized(engine: engine, limit: tokenLimit) else { continue }
            for token in tokens.positive[tokens.start...] {
                counts[Int(token), default: (0, 0)].positive += 1
            }
            for token in tokens.negative[tokens.start...] {
                counts[Int(token), default: (0, 0)].negative += 1
            }
            positive += Double(tokens.positive.count - tokens.start)
            negative += Double(tokens.negative.count - tokens.start)
        }
        guard !counts.isEmpty else { throw .invalidOption("no pair has a token to count") }
        let kinds = Double(counts.count)
        biases = counts.map { token, count in
            let ratio = (count.positive + 1) / (positive + kinds) * (negative + kinds) / (count.negative + 1)
            return (token, log(ratio))
        }.sorted { $0.token < $1.token }
    }

    /// The scale that costs a divergence on neutral text to within 2 %, with what it costs.
    package func scale(costing target: Double) -> (scale: Double, damage: Double) {
        let found = StrengthSearch(target: target, largest: 16).run(start: 0.5) { damage(scale: Double($0)) }
            .nearest
        return (Double(found.strength), found.cost)
    }

    /// ln P of a token rises by scale · bias − ln(1 + Σ p_w (e^(scale · bias_w) − 1)).
    private func rise(_ logits: UnsafeBufferPointer<Float>, scale: Double) -> (
        normalizer: Double, expected: Double
    ) {
        guard let base = logits.baseAddress else { return (0, 0) }
        let logSum = session.engine.compute.preciseLogSumExp(base, count: logits.count)
        var (sum, expected) = (0.0, 0.0)
        for (token, bias) in biases where token < logits.count {
            let p = exp(Double(logits[token]) - logSum)
            sum += p * (exp(scale * bias) - 1)
            expected += p * scale * bias
        }
        return (log1p(sum), expected)
    }

    private func damage(scale: Double) -> Double {
        session.setPlan(.none)
        var mean = RunningMean()
        for tokens in texts {
            session.evaluateAllLogits(tokens) { _, logits in
                let (normalizer, expected) = rise(logits, scale: scale)
                mean.add(normalizer - expected)
            }
        }
        return mean.mean
    }

    /// Changes of the pairs' log-odds in nats by token.
    package func shifts(of pairs: ScoredPairs, scale: Double) -> [Double] {
        var known: [Int32: Double] = [:]
        for (token, bias) in biases { known[Int32(token)] = bias }
        return pairs.tokens.map { pair in
            rise(of: pair.positive, from: pair.start, known, scale)
                - rise(of: pair.negative, from: pair.start, known, scale)
        }
    }

    /// Mean rise of ln P of a side's own tokens.
    private func rise(of tokens: [Int32], from start: Int, _ known: [Int32: Double], _ scale: Double)
        -> Double
    {
        var sum = 0.0
        session.setPlan(.none)
        session.evaluateAllLogits(tokens) { position, logits in
            guard position + 1 >= start, position + 1 < tokens.count else { return }
            sum += scale * (known[tokens[position + 1]] ?? 0) - rise(logits, scale: scale).normalizer
        }
        return sum / Double(tokens.count - start)
    }
}

extension ProfileMeasurement {
    /// Changes of pairs' log-odds by a system message, or by the text before pairs that have no prompt.
    package func shifts(ofSystem text: String, on pairs: [ContrastivePair], tokenLimit: Int)
        throws(TillerError)
        -> [Double]
    {
        var plain: [TokenizedPair] = [], told: [TokenizedPair] = []
        for pair in pairs {
            guard let before = try scorer.tokenized(pair)?.prefix(tokenLimit),
                let after = try pair.tokenized(engine: scorer.engine, behind: text)?.prefix(tokenLimit)
            else { continue }
            plain.append(before)
            told.append(after)
        }
        return try zip(scorer.logOdds(of: told, under: .none), scorer.logOdds(of: plain, under: .none))
            .map { $0 - $1 }
    }
}
