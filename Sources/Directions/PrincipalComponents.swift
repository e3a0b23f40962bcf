// SPDX-License-Identifier: Apache-2.0
// Principal component analysis (PCA), by the smaller of XᵀX and XXᵀ.

import LinearAlgebra

/// Principal components: directions of greatest variance, in descending order.
package struct PrincipalComponents: Sendable {
    /// The offset that is subtracted from rows, [width]: their means, or zeros.
    package let means: [Double]
    /// Unit rows, [count × width]; fewer than requested where the rank of the rows is smaller.
    package let components: Matrix
    /// Mean square of the scores along each: Σ s² / (n − 1), or / n where rows are not centred.
    package let variances: [Double]

    /// - Parameters:
    ///   - rows: [n × width].
    ///   - centred: whether to subtract the mean; otherwise the mean counts as variance, as it should for differences of pairs.
    /// - Throws: `StatesError` for rows that are not finite or do not vary.
    /// - Precondition: count is positive.
    package init(of rows: Matrix, count: Int, centred: Bool = true) throws(StatesError) {
        precondition(count > 0, "PrincipalComponents: none wanted")
        guard rows.rows > (centred ? 1 : 0) else {
            throw .tooFewRows(found: rows.rows, expected: centred ? 2 : 1)
        }
        try rows.requireFiniteStates()
        means = centred ? rows.columnMeans : [Double](repeating: 0, count: rows.columns)
        guard hasVariance(rows, means: means) else { throw .noVariance(rowCount: rows.rows) }
        let x = centred ? rows.subtractingFromRows(means) : rows
        let byRows = rows.rows < rows.columns
        let eigen = try solving { () throws(LinearAlgebraError) in
            try SymmetricEigen(of: gram(x, ofRows: byRows))
        }
        let rank = eigen.values.prefix(count).prefix { $0 > 1e-12 * (eigen.values.first ?? 0) }.count
        let leading = eigen.vectors.leadingColumns(rank)
        if byRows {
            let unscaled = product(leading, x, transposing: .first)
            var scaled = unscaled.values
            for (index, value) in eigen.values.prefix(rank).enumerated() {
                for column in 0..<x.columns { scaled[index * x.columns + column] /= value.squareRoot() }
            }
            components = Matrix(rows: rank, columns: x.columns, values: scaled)
        } else {
            components = leading.transposed
        }
        let degrees = Double(centred ? rows.rows - 1 : rows.rows)
        variances = eigen.values.prefix(rank).map { $0 / degrees }
    }
}
