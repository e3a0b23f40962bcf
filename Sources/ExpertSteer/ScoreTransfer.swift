// SPDX-License-Identifier: Apache-2.0
// Transfers an expert's scores in place of its states: one number per text needs no alignment.

import Directions
import LinearAlgebra

/// v = Cov(h_T, s) / Var(s): the change of the target's state when the expert's score s rises by 1.
///
/// It is in the target's own basis, so no axes need to be matched. Any text that both models read will do, labelled or
/// not, since the expert labels it. It is a pattern, not a filter, so it is suitable for adding to states.
package struct ScoreTransfer: Sendable, Equatable {
    /// v [target width], in the target's units per unit of the score; not normalized.
    package let direction: [Double]
    /// Correlation of (h_T − mean) · v with s on held-out rows (cross-validated).
    package let correlation: Double

    /// - Parameters:
    ///   - scores: the expert's scores s [n].
    ///   - target: states of the target for the same texts [n × target width].
    ///   - groups: as in `AlignmentOptions`.
    /// - Throws: `StatesError` for too few groups, for states or scores that are not finite or do not vary.
    /// - Precondition: scores, target and groups have the same number of rows.
    package init(
        scores: [Double], target: Matrix, groups: [Int]? = nil, foldCount: Int = 5, seed: UInt64 = 0
    ) throws(StatesError) {
        let groups = groups ?? Array(0..<scores.count)
        precondition(
            scores.count == target.rows && groups.count == scores.count, "ScoreTransfer: other texts")
        let groupCount = Set(groups).count
        guard groupCount >= Alignment.leastRowCount else {
            throw .tooFewTexts(found: groupCount, expected: Alignment.leastRowCount)
        }
        try Matrix(rows: scores.count, columns: 1, values: scores).requireFiniteStates()
        try target.requireFiniteStates()
        direction = try Self.fit(scores, target).direction
        guard direction.contains(where: { $0 != 0 }) else { throw .noVariance(rowCount: target.rows) }

        let folds = RowFolds(groups: groups, count: foldCount, seed: seed)
        var predicted: [Double] = [], actual: [Double] = []
        for fold in 0..<folds.count {
            let others = folds.others(fold), tested = folds.heldOut[fold]
            let fitted = try Self.fit(others.map { scores[$0] }, target.selectingRows(others))
            let squares = dotProduct(fitted.direction, fitted.direction)
            let states = target.selectingRows(tested).subtractingFromRows(fitted.mean)
            // In the score's own units, so that folds can be pooled.
            predicted += product(states, fitted.direction).map { squares > 0 ? $0 / squares : 0 }
            actual += tested.map { scores[$0] - fitted.meanScore }
        }
        correlation = pearsonCorrelation(predicted, actual)
    }

    private static func fit(_ scores: [Double], _ target: Matrix) throws(StatesError) -> (
        direction: [Double], mean: [Double], meanScore: Double
    ) {
        let meanScore = scores.reduce(0, +) / Double(scores.count)
        let centred = scores.map { $0 - meanScore }
        let squares = dotProduct(centred, centred)
        guard squares > 0 else { throw .noVariance(rowCount: scores.count) }
        let mean = target.columnMeans
        let sums = product(target.subtractingFromRows(mean), centred, transposing: true)
        return (sums.map { $0 / squares }, mean, meanScore)
    }
}
