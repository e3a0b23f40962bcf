// SPDX-License-Identifier: Apache-2.0
// Mixtures of a plain and a steered distribution, and the mixture with the largest steered share within a divergence bound.

import Glibc

/// Two distributions p (plain) and q (steered) over the same tokens, and their mixtures m = p + a · (q − p), where a is the
/// steered share.
///
/// D(a) = KL(m ‖ p) = Σ m ln(m / p) is 0 at a = 0, convex, and grows with a: so there is a largest share within a bound.
struct Mixture {
    private var plain: [Double] = []
    private var steered: [Double] = []
    /// Upper bound on the omitted tokens' contribution to D(a), divided by a.
    var tail = 0.0

    /// Removes all tokens but keeps their memory.
    mutating func removeAll() {
        plain.removeAll(keepingCapacity: true)
        steered.removeAll(keepingCapacity: true)
        tail = 0
    }

    /// Appends a token with its weights in both distributions; the plain weight is above 0.
    mutating func append(plain p: Double, steered q: Double) {
        plain.append(p)
        steered.append(q)
    }

    /// Divides the weights by the sums, which makes them probabilities.
    mutating func normalize(plain plainSum: Double, steered steeredSum: Double) {
        for index in plain.indices {
            plain[index] /= plainSum
            steered[index] /= steeredSum
        }
    }

    var count: Int { plain.count }
    var plainSum: Double { plain.reduce(0, +) }
    var steeredSum: Double { steered.reduce(0, +) }

    /// P of a token in the mixture.
    func probability(_ index: Int, share: Double) -> Double {
        plain[index] + share * (steered[index] - plain[index])
    }

    /// D(a), and its slope Σ (q − p) (ln(m / p) + 1).
    func divergence(share: Double) -> (nats: Double, slope: Double) {
        var (nats, slope) = (share * tail, tail)
        for index in plain.indices {
            let (p, difference) = (plain[index], steered[index] - plain[index])
            let m = p + share * difference
            guard m > 0 else { continue }
            let ratio = log(m / p)
            nats += m * ratio
            slope += difference * (ratio + 1)
        }
        return (max(nats, 0), slope)
    }

    /// The largest share whose divergence stays within a limit.
    ///
    /// Newton's steps from above never pass the solution of a convex function; each step shrinks the share by at least a relative
    /// 1e-12, in spite of rounding.
    /// - Returns: the share to a relative 1e-12, with its divergence, which is not above the limit.
    func largestShare(within limit: Double) -> (share: Double, nats: Double) {
        guard limit > 0 else { return (0, 0) }
        var share = 1.0
        for _ in 0..<100 {
            let (nats, slope) = divergence(share: share)
            if nats <= limit { return (share, nats) }
            // Not a number: two distributions that cannot be compared are not mixed.
            guard slope > 0, nats.isFinite else { return (0, 0) }
            let next = share - (nats - limit) / slope
            share = max(min(next, share * (1 - 1e-12)), 0)
        }
        return (0, 0)
    }
}
