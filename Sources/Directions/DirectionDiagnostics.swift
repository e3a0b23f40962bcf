// SPDX-License-Identifier: Apache-2.0
// How a direction separates pairs: figures that show whether it is worth applying.

import LinearAlgebra

/// How well a direction separates the two sides of pairs.
package struct DirectionDiagnostics: Sendable, Equatable {
    /// Area under the ROC curve of the states' projections on the direction, over all rows.
    package let auc: Double
    /// Share of pairs whose positive side has the larger projection.
    package let pairAccuracy: Double
    /// Cosine with the mean difference; nil where either vector is zero.
    package let cosineWithMeanDifference: Double?

    /// - Parameter direction: [width].
    /// - Precondition: the states have the direction's width.
    package init(of direction: [Double], on states: PairedStates) {
        let positive = Self.components(of: states.positive, along: direction)
        let negative = Self.components(of: states.negative, along: direction)
        let right = zip(positive, negative).count { $0 > $1 }
        pairAccuracy = Double(right) / Double(states.pairCount)
        auc = areaUnderCurve(
            positive + negative, labels: positive.map { _ in 1 } + negative.map { _ in -1 })
        cosineWithMeanDifference = cosine(direction, states.differences.columnMeans)
    }

    /// Does without OpenBLAS, since mean differences do not need it either.
    private static func components(of rows: Matrix, along direction: [Double]) -> [Double] {
        (0..<rows.rows).map { dotProduct(Array(rows.row($0)), direction) }
    }
}
