// SPDX-License-Identifier: Apache-2.0
// Reduces a layer to a few uncorrelated numbers per text, the input of mutual information.

import Directions
import LinearAlgebra

/// Leading principal components of standardised states, each scaled to variance 1.
package struct LayerScores: Sendable, Equatable {
    /// A [n × components]: columns have mean 0 and AᵀA = n I.
    package let values: Matrix
    /// Share of the layer's standardised variance that the components explain.
    package let explained: Double

    package var rowCount: Int { values.rows }
    package var componentCount: Int { values.columns }

    /// Texts per component: with fewer texts most correlations would be chance.
    package static let leastRowsByComponent = 8
    package static let leastRowCount = 32

    /// - Parameters:
    ///   - states: [n × width].
    ///   - components: maximum number; fewer where states have a smaller rank or there are few texts.
    /// - Throws: `StatesError` for fewer than 32 rows, states that are not finite or do not vary.
    package init(
        of states: Matrix, components: Int = 24, standardisation: Standardization = .massive
    ) throws(StatesError) {
        precondition(components > 0, "LayerScores: no components")
        guard states.rows >= Self.leastRowCount else {
            throw .tooFewTexts(found: states.rows, expected: Self.leastRowCount)
        }
        try states.requireFiniteStates()
        let x = try ColumnScaling(of: states, by: standardisation).apply(to: states)
        let byRows = x.rows < x.columns
        let count = min(components, x.rows / Self.leastRowsByComponent, x.columns)
        let eigen = try solving { () throws(LinearAlgebraError) in
            try SymmetricEigen(of: gram(x, ofRows: byRows), largest: count)
        }
        let rank = eigen.values.prefix { $0 > 1e-10 * (eigen.values.first ?? 0) }.count
        let leading = eigen.vectors.leadingColumns(rank)
        // Eigenvectors of X Xᵀ are the scores, of length 1; those of XᵀX are the axes.
        let root = Double(x.rows).squareRoot()
        values =
            byRows
            ? leading.scalingColumns([Double](repeating: root, count: rank))
            : product(x, leading).scalingColumns(eigen.values.prefix(rank).map { root / $0.squareRoot() })
        explained = eigen.values.prefix(rank).reduce(0, +) / squaredNorm(x)
    }
}

/// A linear map that makes given scores uncorrelated with variance 1.
struct Whitening {
    private let mean: [Double]
    private let factor: CholeskyFactor

    /// - Parameter scores: [n × components].
    init(_ scores: Matrix) throws(StatesError) {
        mean = scores.columnMeans
        let centred = scores.subtractingFromRows(mean)
        let share = 1 / Double(scores.rows)
        let squares = gram(centred)
        let covariance = Matrix(
            rows: squares.rows, columns: squares.columns, values: squares.values.map { $0 * share })
        // A resample with few distinct rows may have a smaller rank.
        let trace = (0..<covariance.rows).reduce(0) { $0 + covariance[$1, $1] }
        let jitter = 1e-9 * trace / Double(max(covariance.rows, 1))
        factor = try solving { () throws(LinearAlgebraError) in
            try CholeskyFactor(of: covariance.addingToDiagonal(jitter))
        }
    }

    /// (scores − mean) L⁻ᵀ for a covariance L Lᵀ.
    func apply(to scores: Matrix) -> Matrix {
        factor.solveLower(scores.subtractingFromRows(mean).transposed).transposed
    }
}
