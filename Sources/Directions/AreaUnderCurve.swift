// SPDX-License-Identifier: Apache-2.0
// How well scores tell two classes apart, whatever the threshold.

/// The chance that a positive row scores higher than a negative one; ties count half (Mann, Whitney 1947).
///
/// - Parameter labels: positive numbers are the positive class.
/// - Precondition: there is a label for each score, and both classes are there.
package func areaUnderCurve(_ scores: [Double], labels: [Double]) -> Double {
    precondition(
        scores.count == labels.count, "areaUnderCurve: \(scores.count) scores, \(labels.count) labels")
    let curve = RankedScores(scores, labels: labels)
    return curve.area(weights: [Double](repeating: 1, count: scores.count))
}

/// Scores in order, so that areas under many weightings of the same rows take one pass each.
package struct RankedScores: Sendable {
    /// Rows by falling score.
    private let order: [Int]
    /// Whether the row at this place has another score than the one before it.
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
        // Positive and negative weight above the current tie, and inside of it.
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
                // Half of the tie's negatives: those already passed here, the others below.
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
