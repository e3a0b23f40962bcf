// SPDX-License-Identifier: Apache-2.0
// Means and their uncertainty.

import Glibc
import JSON
import Platform

/// Mean and variance in one pass (Welford 1962).
package struct RunningMean: Sendable {
    package private(set) var count = 0
    package private(set) var mean = 0.0
    private var squares = 0.0

    package init() {}

    package init(_ values: some Sequence<Double>) { for value in values { add(value) } }

    package mutating func add(_ value: Double) {
        count += 1
        let delta = value - mean
        mean += delta / Double(count)
        squares += delta * (value - mean)
    }

    /// Standard error of the mean; 0 for fewer than two values.
    package var standardError: Double {
        count > 1 ? (squares / Double(count - 1) / Double(count)).squareRoot() : 0
    }
}

/// The 95 % bootstrap interval of a mean: percentiles of 10,000 resamples, with a seed for reproducibility.
package func bootstrapInterval(of values: [Double], resamples: Int = 10_000, seed: UInt64 = 1) -> ClosedRange<
    Double
> {
    guard let first = values.first else { return 0...0 }
    guard values.count > 1 else { return first...first }
    var random = SplitMix64(seed: seed)
    let means = (0..<resamples).map { _ in
        (0..<values.count).reduce(0.0) { sum, _ in sum + values[random.index(below: values.count)] }
            / Double(values.count)
    }
    return middle(of: means)
}

/// The same for the ratio of two means, Σ a / Σ b, of paired values.
///
/// - Returns: nil where the interval of the divisor's mean contains 0, since the ratio is then meaningless.
package func bootstrapInterval(
    ofRatio a: [Double], to b: [Double], resamples: Int = 10_000, seed: UInt64 = 1
) -> ClosedRange<Double>? {
    precondition(a.count == b.count, "bootstrapInterval: values that do not belong together")
    guard !bootstrapInterval(of: b).contains(0) else { return nil }
    var random = SplitMix64(seed: seed)
    var ratios: [Double] = []
    for _ in 0..<resamples {
        var (sumA, sumB) = (0.0, 0.0)
        for _ in 0..<a.count {
            let index = random.index(below: a.count)
            sumA += a[index]
            sumB += b[index]
        }
        // A zero is rare, since the divisor's interval excludes 0.
        if sumB != 0 { ratios.append(sumA / sumB) }
    }
    return ratios.isEmpty ? nil : middle(of: ratios)
}

/// The middle 95 % of values.
/// - Precondition: `values` is not empty.
package func middle(of values: [Double]) -> ClosedRange<Double> {
    let sorted = values.sorted()
    return sorted[sorted.count * 25 / 1000]...sorted[min(sorted.count * 975 / 1000, sorted.count - 1)]
}

extension SplitMix64 {
    mutating func index(below limit: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(limit)).high)
    }
}

/// The 95 % interval of a share (Wilson 1927), which stays within 0...1 and holds for small counts too.
package func wilsonInterval(successes: Int, of count: Int) -> ClosedRange<Double> {
    guard count > 0 else { return 0...1 }
    let (n, z) = (Double(count), 1.959964)
    let share = Double(successes) / n
    let centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    let half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
    return max(centre - half, 0)...min(centre + half, 1)
}

/// The quantile of sorted values for a share, linear between neighbours; 0 where there are none.
///
/// - Parameter share: in 0...1.
package func quantile(_ share: Double, ofSorted values: [Double]) -> Double {
    guard let last = values.last else { return 0 }
    let place = share * Double(values.count - 1)
    let index = Int(place)
    guard index + 1 < values.count else { return last }
    return values[index] + (place - Double(index)) * (values[index + 1] - values[index])
}

extension ClosedRange<Double> {
    /// Both bounds.
    package var json: JSON { [.number(lowerBound), .number(upperBound)] }
}

/// The middle value; the mean of the two middle ones for an even count.
package func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
