// SPDX-License-Identifier: Apache-2.0
// Turns states into inputs of a method that measures distances; new states get the same transformation as the fitted ones.

import LinearAlgebra

/// Centres rows and optionally normalizes each to unit norm.
package struct RowPreparation: Sendable {
    /// Column means of the fitted rows, [width].
    package let means: [Double]
    package let normalizesRows: Bool

    /// - Throws: `StatesError.noVariance` where all rows are equal.
    init(fitting rows: Matrix, normalizesRows: Bool) throws(StatesError) {
        means = rows.columnMeans
        self.normalizesRows = normalizesRows
        guard hasVariance(rows, means: means) else { throw .noVariance(rowCount: rows.rows) }
    }

    package func apply(to rows: Matrix) -> Matrix {
        var result = rows.subtractingFromRows(means)
        guard normalizesRows else { return result }
        for row in 0..<result.rows {
            let range = row * result.columns..<(row + 1) * result.columns
            var sum = 0.0
            for index in range { sum += result.values[index] * result.values[index] }
            // A row at the mean has no direction and stays zero.
            let scale = sum > 0 ? 1 / sum.squareRoot() : 0
            for index in range { result.values[index] *= scale }
        }
        return result
    }
}

/// Whether rows differ by more than the rounding error of their mean.
func hasVariance(_ rows: Matrix, means: [Double]) -> Bool {
    for row in 0..<rows.rows {
        for (value, mean) in zip(rows.row(row), means)
        where abs(value - mean) > 1e-12 * max(abs(value), abs(mean)) {
            return true
        }
    }
    return false
}
