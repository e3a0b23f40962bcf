// SPDX-License-Identifier: Apache-2.0
// Sampling from a steered model whose divergence from the unsteered one is bounded.
//
// The bound compares the distribution that the token is sampled from with the one that the same options would give without
// steering: both after penalties, biases and temperature, over the tokens that top-k, top-p and min-p keep of the unsteered one.
// A bound on the model's own distributions would not hold after these options: a temperature of 0.5 squares all ratios, and a
// token kept only on the steered side has infinite divergence from a distribution without it. So with a bound, steering never
// yields a token that could not be sampled without it; `--top-k 0 --top-p 1 --min-p 0` keep all tokens. At temperature 0 there is
// no distribution to sample from; the most likely token of the mixture at temperature 1 is taken.

import Glibc
import Kernels

extension Sampler {
    /// Samples the next token from the mixture with the largest steered share within a bound.
    ///
    /// - Parameters:
    ///   - plain, steered: logits [vocabularySize]; penalties and biases are applied in place.
    ///   - limit: upper bound in nats on KL(mixture ‖ plain); 0 samples as without steering.
    package mutating func sample(
        _ plain: UnsafeMutableBufferPointer<Float>, steered: UnsafeMutableBufferPointer<Float>,
        within limit: Double, history: [Int32], with compute: Compute
    ) -> (token: Int32, divergence: TokenDivergence) {
        adjust(plain, history: history)
        adjust(steered, history: history)
        let (p, q) = (UnsafeBufferPointer(plain), UnsafeBufferPointer(steered))
        guard limit > 0 else { return (choose(from: p, with: compute), TokenDivergence(nats: 0, share: 0)) }
        // The sampling weights are rounded to Float: a small part of the bound covers that.
        let target = limit * (1 - 1e-5)
        // There, sums over the whole vocabulary are rounded too.
        if options.temperature == 0 { return takeMostLikely(p, q, within: target - 1e-6, compute) }
        peaks.find(p, with: compute)
        collectCandidates(p)
        let plainWeight = exponentiateCandidates()
        mix(p, q)
        let (share, nats) = mixture.largestShare(within: target)
        let divergence = TokenDivergence(nats: nats, share: share)
        // The same sample as without steering.
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

    /// ln P of about a millionth, below which tokens are treated together. There may be tens of thousands of them.
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
            // In Double no probability underflows to 0.
            mixture.append(plain: exp(Double(p[token]) - logP), steered: exp(Double(q[token]) - logQ))
        }
        // Σ q ln(q / p) over the other tokens is at most their mass times the largest logarithm. By D's convexity, a times that
        // bounds their contribution at the share a. The sum of the mass is rounded.
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
