// SPDX-License-Identifier: Apache-2.0
// Area under the ROC curve: how well scores separate two classes over all thresholds.

/// The probability that a positive row scores higher than a negative one; ties count half (Mann, Whitney 1947).
///
/// - Parameter labels: positive numbers mark the positive class.
/// - Precondition: each score has a label, and both classes occur.
package func areaUnderCurve(_ scores: [Double], labels: [Double]) -> Double {
    precondition(
        scores.count == labels.count, "areaUnderCurve: \(scores.count) scores, \(labels.count) labels")
    let curve = RankedScores(scores, labels: labels)
    return curve.area(weights: [Double](repeating: 1, count: scores.count))
}

/// Sorted scores, so that areas under many weightings of the same rows take one pass each.
package struct RankedScores: Sendable {
    /// Rows by descending score.
    private let order: [Int]
    /// Whether the score at this rank differs from the previous one.
    private let startsTie: [Bool]
    private let isPositive: [Bool]

    package init(_ scores: [Double], labels: [Double]) {
        isPositive = labels.map { $0 > 0 }
        let order = scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }
        startsTie = order.indices.map { $0 == 0 || scores[order[$0]] != scores[order[$0 - 1]] }
        self.order = order
    }

    /// The area where row i counts `weights[i]` times.
    /// - Precondition: both classes have a row of positive weight.
    package func area(weights: [Double]) -> Double {
        // Positive and negative weight above the current tie, and within it.
        var (above, negatives, below) = (0.0, 0.0, 0.0)
        var (tiePositive, tieNegative) = (0.0, 0.0)
        for (place, row) in order.enumerated() {
            if startsTie[place] {
                above += tiePositive
                negatives += tieNegative
                (tiePositive, tieNegative) = (0, 0)
            }
            if isPositive[row] {
                tiePositive += weights[row]
                // Half of the tie's negatives: the ones already seen here, the others in the branch below.
                below += weights[row] * tieNegative / 2
            } else {
                tieNegative += weights[row]
                below += weights[row] * (above + tiePositive / 2)
            }
        }
        let (positives, total) = (above + tiePositive, negatives + tieNegative)
        precondition(positives > 0 && total > 0, "areaUnderCurve: a class is missing")
        return below / (positives * total)
    }
}
