// SPDX-License-Identifier: Apache-2.0
// Finds the strength at which steering has a given cost. Every search for a strength uses it, and returns only measured
// strengths.

import Glibc

/// Searches for the strength whose cost is the target.
///
/// For small strengths KL grows with the square of the strength, so the first steps scale by √cost. Between two measured
/// strengths the cost is interpolated as a power of the strength. The bracket handles costs that do not follow this.
package struct StrengthSearch {
    /// In the unit of the costs, positive.
    package let target: Double
    /// The largest useful strength.
    package let largest: Float
    /// Relative tolerance of the cost.
    package let tolerance: Double
    /// Whether strengths are rounded to two digits, for people to read.
    package let isReadable: Bool

    /// A strength with its measured cost.
    package struct Trial: Sendable {
        package let strength: Float
        package let cost: Double
    }

    package init(target: Double, largest: Float, tolerance: Double = 0.02, isReadable: Bool = false) {
        precondition(target > 0 && largest > 0, "StrengthSearch: nothing to search for")
        (self.target, self.largest, self.tolerance) = (target, largest, tolerance)
        self.isReadable = isReadable
    }

    private static let trialCount = 14
    /// Smaller strengths are not tried.
    private static let least: Float = 1e-3

    /// Measures strengths until one costs the target, none is left to try, or 14 are measured.
    ///
    /// - Parameter start: where to begin; the strength of a similar profile saves most of the search.
    package func run(start: Float, _ cost: (Float) -> Double) -> StrengthTrials {
        var (low, high): (Float, Float) = (0, largest)
        var trials: [Trial] = []
        var strength = shaped(start)
        while trials.count < Self.trialCount, !trials.contains(where: { $0.strength == strength }) {
            let found = cost(strength)
            // A cost of NaN exceeds every limit.
            trials.append(Trial(strength: strength, cost: found.isNaN ? .infinity : found))
            if abs(found / target - 1) <= tolerance { break }
            if found < target { low = strength } else { high = strength }
            // Even the largest useful strength is within the target.
            if low >= largest { break }
            strength = next(after: strength, costing: found, between: low, and: high, trials)
        }
        return StrengthTrials(target: target, tolerance: tolerance, trials: trials)
    }

    private func next(
        after strength: Float, costing found: Double, between low: Float, and high: Float, _ trials: [Trial]
    ) -> Float {
        let middle = shaped((low + high) / 2)
        let ends = [low, high].map { end in trials.first { $0.strength == end } }
        var wanted = strength * Float(min(max((target / max(found, 1e-9)).squareRoot(), 0.2), 5))
        if let below = ends[0], let above = ends[1], below.cost > 0, above.cost > below.cost,
            above.cost.isFinite
        {
            // Every fourth step bisects, for costs that jump.
            guard !trials.count.isMultiple(of: 4) else { return middle }
            let power = log(above.cost / below.cost) / log(Double(above.strength / below.strength))
            wanted = below.strength * Float(exp(log(target / below.cost) / power))
        } else if wanted >= largest, ends[1] == nil {
            return largest
        }
        guard wanted > low, wanted < high else { return middle }
        let next = shaped(wanted)
        // Rounding may return an end of the bracket.
        return next > low && next < high ? next : middle
    }

    /// The nearest permitted strength.
    private func shaped(_ strength: Float) -> Float {
        guard isReadable else { return min(max(strength, Self.least), largest) }
        let scale: Float = strength < 0.1 ? 1000 : strength < 1 ? 100 : 10
        return min(max((strength * scale).rounded() / scale, Self.least), largest)
    }
}

/// The measurements of a search, at least one.
package struct StrengthTrials: Sendable {
    let target: Double
    let tolerance: Double
    package let trials: [StrengthSearch.Trial]

    /// The trial whose cost is closest to the target.
    package var nearest: StrengthSearch.Trial { best { abs($0.cost - target) } }

    /// The trial with the highest cost within the target; the one with the lowest cost if none is.
    package var affordable: StrengthSearch.Trial {
        let limit = target * (1 + tolerance)
        return best { $0.cost <= limit ? -$0.cost : $0.cost }
    }

    private func best(_ loss: (StrengthSearch.Trial) -> Double) -> StrengthSearch.Trial {
        // Among equal costs the last: if nothing costs anything, the largest useful strength is allowed.
        trials.dropFirst().reduce(trials[0]) { loss($1) <= loss($0) ? $1 : $0 }
    }
}
