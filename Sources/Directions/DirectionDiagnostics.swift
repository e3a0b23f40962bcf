// SPDX-License-Identifier: Apache-2.0
// What a direction does to pairs: figures that say whether it is worth applying before it is applied.

import LinearAlgebra

/// How well a direction tells both sides of pairs apart.
package struct DirectionDiagnostics: Sendable, Equatable {
    /// Area under the curve of the states' components along the direction, over all rows.
    package let auc: Double
    /// Share of pairs whose positive side lies further along the direction.
    package let pairAccuracy: Double
    /// Cosine with the difference of means; nil where one of both is zero.
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

    /// Without OpenBLAS, which differences of means do not need either.
    private static func components(of rows: Matrix, along direction: [Double]) -> [Double] {
        (0..<rows.rows).map { dotProduct(Array(rows.row($0)), direction) }
    }
}
