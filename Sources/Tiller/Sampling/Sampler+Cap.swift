// SPDX-License-Identifier: Apache-2.0
// Drawing from a steered model that may leave the unsteered one by so much and no further.
//
// What is bounded is the distribution that the token is drawn from, against the one that the same options would draw
// from without steering: both after penalties, biases and temperature, on the tokens that top-k, top-p and min-p leave of
// the unsteered one. A bound on the model's own distributions would not hold behind the options: a temperature of 0.5
// squares all ratios, and a token that is only left over on the steered side is infinitely far from one that cannot
// be drawn. So a cap never draws what could not be drawn without steering; `--top-k 0 --top-p 1 --min-p 0` leave all.
// At temperature 0 there is no distribution to draw from; the most likely token of the mixture at temperature 1 is taken.

import Glibc
import Kernels

extension Sampler {
    /// Chooses the next token from the mixture with the largest steered share that stays within a bound.
    ///
    /// - Parameters:
    ///   - plain, steered: logits [vocabularySize]; penalties and biases are applied in place.
    ///   - limit: nats that KL(mixture ‖ plain) may reach; 0 draws what is drawn without steering.
    package mutating func sample(
        _ plain: UnsafeMutableBufferPointer<Float>, steered: UnsafeMutableBufferPointer<Float>,
        within limit: Double, history: [Int32], with compute: Compute
    ) -> (token: Int32, divergence: TokenDivergence) {
        adjust(plain, history: history)
        adjust(steered, history: history)
        let (p, q) = (UnsafeBufferPointer(plain), UnsafeBufferPointer(steered))
        guard limit > 0 else { return (choose(from: p, with: compute), TokenDivergence(nats: 0, share: 0)) }
        // The weights that are drawn by are rounded to Float: a little of the bound is for that.
        let target = limit * (1 - 1e-5)
        // There sums over the whole vocabulary are rounded too.
        if options.temperature == 0 { return takeMostLikely(p, q, within: target - 1e-6, compute) }
        peaks.find(p, with: compute)
        collectCandidates(p)
        let plainWeight = weighCandidates()
        mix(p, q)
        let (share, nats) = mixture.largestShare(within: target)
        let divergence = TokenDivergence(nats: nats, share: share)
        // Exactly what is drawn without steering.
        guard share > 0 else { return (draw(outOf: plainWeight), divergence) }
        var total: Float = 0
        for index in candidates.indices {
            candidates[index].logit = Float(mixture.probability(index, share: share))
            total += candidates[index].logit
        }
        return (draw(outOf: total), divergence)
    }

    /// Fills the mixture with both distributions over the candidates.
    private mutating func mix(_ plain: UnsafeBufferPointer<Float>, _ steered: UnsafeBufferPointer<Float>) {
        var (largestP, largestQ) = (-Float.infinity, -Float.infinity)
        for candidate in candidates {
            largestP = max(largestP, plain[Int(candidate.token)])
            largestQ = max(largestQ, steered[Int(candidate.token)])
        }
        let temperature = Double(options.temperature)
        func weight(_ logit: Float, _ largest: Float) -> Double {
            exp((Double(logit) - Double(largest)) / temperature)
        }
        mixture.removeAll()
        for candidate in candidates {
            let token = Int(candidate.token)
            mixture.append(plain: weight(plain[token], largestP), steered: weight(steered[token], largestQ))
        }
        mixture.normalize(plain: mixture.plainSum, steered: mixture.steeredSum)
    }

    /// ln P below which tokens are taken together: a millionth. There may be tens of thousands of them.
    private static var tailLogProbability: Float { -14 }

    private mutating func takeMostLikely(
        _ plain: UnsafeBufferPointer<Float>, _ steered: UnsafeBufferPointer<Float>, within limit: Double,
        _ compute: Compute
    ) -> (token: Int32, divergence: TokenDivergence) {
        guard let p = plain.baseAddress, let q = steered.baseAddress, plain.count == steered.count else {
            return (0, TokenDivergence(nats: 0, share: 0))
        }
        let (logP, logQ) = (
            compute.preciseLogSumExp(p, count: plain.count),
            compute.preciseLogSumExp(q, count: steered.count)
        )
        mixture.removeAll()
        candidates.removeAll(keepingCapacity: true)
        let (leastP, leastQ) = (
            Float(logP) + Self.tailLogProbability, Float(logQ) + Self.tailLogProbability
        )
        var largestRatio = -Float.infinity
        for token in 0..<plain.count {
            guard p[token] > leastP || q[token] > leastQ else {
                largestRatio = max(largestRatio, q[token] - p[token])
                continue
            }
            candidates.append((Int32(token), p[token]))
            // In Double no probability becomes 0.
            mixture.append(plain: exp(Double(p[token]) - logP), steered: exp(Double(q[token]) - logQ))
        }
        // Σ q ln(q / p) over the others is at most their mass times the largest logarithm; and by D's convexity, a times
        // that bounds what they add at the share a. The sum of the mass is rounded.
        mixture.tail =
            (max(1 - mixture.steeredSum, 0) + 1e-6) * max(Double(largestRatio) + logP - logQ, 0)
        let (share, nats) = mixture.largestShare(within: limit)
        let divergence = TokenDivergence(nats: nats, share: share)
        guard share > 0, !candidates.isEmpty else {
            peaks.find(plain, with: compute)
            return (Int32(peaks.indexOfMaximum(plain)), divergence)
        }
        var best = 0
        for index in 0..<mixture.count
        where mixture.probability(index, share: share) > mixture.probability(best, share: share) {
            best = index
        }
        return (candidates[best].token, divergence)
    }
}
