// SPDX-License-Identifier: Apache-2.0
// Is a difference more than chance? Tests and intervals for paired differences. Items of one group (a domain, a template,
// a source text) are resampled and sign-flipped together, since they are not independent evidence.

import Glibc
import Platform

/// Differences of items, by group.
package struct GroupedDifferences: Sendable {
    /// Sum and number of each group's differences.
    package let sums: [Double]
    package let counts: [Int]

    /// - Parameter groups: one per value; items with equal names form a group. nil makes every item a group.
    package init(_ values: [Double], groups: [String]? = nil) {
        precondition(groups == nil || groups?.count == values.count, "GroupedDifferences: one group by value")
        guard let groups else {
            sums = values
            counts = values.map { _ in 1 }
            return
        }
        // In order of first occurrence, so that a seed reproduces the figures.
        var places: [String: Int] = [:]
        var (sums, counts): ([Double], [Int]) = ([], [])
        for (value, group) in zip(values, groups) {
            let place = places[group] ?? sums.count
            if place == sums.count {
                places[group] = place
                sums.append(0)
                counts.append(0)
            }
            sums[place] += value
            counts[place] += 1
        }
        (self.sums, self.counts) = (sums, counts)
    }

    package var groupCount: Int { sums.count }
    package var mean: Double { sums.reduce(0, +) / Double(max(counts.reduce(0, +), 1)) }
}

/// The alternative hypothesis of a test.
package enum TestDirection: Sendable {
    /// The mean is above 0.
    case greater
    /// The mean is not 0.
    case different
}

extension GroupedDifferences {
    /// Up to this number of groups all sign changes are enumerated; beyond it they are sampled.
    private static let exactGroupCount = 14

    /// p of the paired permutation test: how often the mean is at least as large when each group's sign is random.
    ///
    /// Up to 14 groups all sign changes count. Beyond that, `resamples` random ones and the observed one count, so p is
    /// valid for any number of them (Phipson and Smyth, arXiv 1603.05766). Two-sided p is twice the smaller one-sided p.
    package func permutationTest(
        _ direction: TestDirection = .greater, resamples: Int = 9_999, seed: UInt64 = 1
    ) -> Double {
        guard groupCount > 0 else { return 1 }
        let observed = sums.reduce(0, +)
        // Values that differ only by rounding are equal.
        let margin = 1e-14 * max(sums.reduce(0) { $0 + abs($1) }, .leastNormalMagnitude)
        var (above, below, total) = (0, 0, 0)
        func count(_ sum: Double) {
            above += sum >= observed - margin ? 1 : 0
            below += sum <= observed + margin ? 1 : 0
            total += 1
        }
        if groupCount <= Self.exactGroupCount {
            for signs in 0..<1 << groupCount {
                count(sums.indices.reduce(0.0) { $0 + (signs >> $1 & 1 == 0 ? sums[$1] : -sums[$1]) })
            }
        } else {
            var random = SplitMix64(seed: seed)
            count(observed)
            for _ in 0..<resamples {
                var sum = 0.0
                var bits: UInt64 = 0
                for index in sums.indices {
                    if index % 64 == 0 { bits = random.next() }
                    sum += bits & 1 == 0 ? sums[index] : -sums[index]
                    bits >>= 1
                }
                count(sum)
            }
        }
        let (greater, less) = (Double(above) / Double(total), Double(below) / Double(total))
        return direction == .greater ? greater : min(1, 2 * min(greater, less))
    }

    /// The 95 % bootstrap interval of the mean; it resamples whole groups.
    ///
    /// Plain percentiles are too narrow for few groups, since they ignore that the variance is estimated too. So the
    /// percentiles are widened by the ratio of Student's interval to the normal one (Hesterberg 2015, "expanded
    /// percentiles"). A single group says nothing about others: its interval is infinite.
    package func bootstrapInterval(resamples: Int = 10_000, seed: UInt64 = 1) -> ClosedRange<Double> {
        guard groupCount > 1 else { return groupCount == 0 ? 0...0 : -Double.infinity...Double.infinity }
        var random = SplitMix64(seed: seed)
        let means = (0..<resamples).map { _ in
            var (sum, count) = (0.0, 0)
            for _ in 0..<groupCount {
                let group = random.index(below: groupCount)
                sum += sums[group]
                count += counts[group]
            }
            return sum / Double(count)
        }.sorted()
        let n = Double(groupCount)
        let reach = (n / (n - 1)).squareRoot() * studentQuantile(0.975, degreesOfFreedom: n - 1)
        let tail = erfc(reach / 2.0.squareRoot()) / 2
        return quantile(tail, ofSorted: means)...quantile(1 - tail, ofSorted: means)
    }
}

/// Holm's adjusted p-values: all below α are significant together, with a family-wise error of at most α (Holm 1979).
///
/// - Returns: max over j ≤ i of min(1, (m − j) · p_(j)), j counted from 0 in ascending order, in the input's order.
package func holmAdjusted(_ p: [Double]) -> [Double] {
    var adjusted = p
    var largest = 0.0
    for (rank, index) in p.indices.sorted(by: { p[$0] < p[$1] }).enumerated() {
        largest = max(largest, min(1, Double(p.count - rank) * p[index]))
        adjusted[index] = largest
    }
    return adjusted
}

/// The quantile of Student's t for a probability above a half.
///
/// Integrates the density by Simpson's rule and inverts by bisection; exact to about 1e-9 from one degree of freedom on.
package func studentQuantile(_ probability: Double, degreesOfFreedom n: Double) -> Double {
    precondition(probability >= 0.5 && probability < 1 && n > 0, "studentQuantile: outside its range")
    // With t = √n · tan u the density is cosⁿ⁻¹ u, on a bounded interval.
    let scale = exp(lgamma((n + 1) / 2) - lgamma(n / 2)) / Double.pi.squareRoot()
    func mass(upTo u: Double) -> Double {
        let steps = 2_000
        let h = u / Double(steps)
        var sum = 1 + pow(cos(u), n - 1)
        for step in 1..<steps { sum += (step % 2 == 1 ? 4 : 2) * pow(cos(h * Double(step)), n - 1) }
        return 0.5 + scale * sum * h / 3
    }
    var (low, high) = (0.0, Double.pi / 2)
    for _ in 0..<60 {
        let middle = (low + high) / 2
        if mass(upTo: middle) < probability { low = middle } else { high = middle }
    }
    return n.squareRoot() * tan((low + high) / 2)
}

/// The slope through 0 of y on x, Σ x y / Σ x², for an effect that grows with the strength; 0 where every x is 0.
package func slopeThroughZero(_ x: [Double], _ y: [Double]) -> Double {
    precondition(x.count == y.count, "slopeThroughZero: values that do not belong together")
    let squares = x.reduce(0) { $0 + $1 * $1 }
    return squares > 0 ? zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } / squares : 0
}
