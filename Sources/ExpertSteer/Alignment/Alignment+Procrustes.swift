// SPDX-License-Identifier: Apache-2.0
// Orthogonal Procrustes alignment (Schönemann 1966) between any two widths.

import Directions
import LinearAlgebra

extension AlignmentProblem {
    /// s R [width of X × width of T] that minimizes ‖s X R − T‖² over orthogonal R.
    ///
    /// With Xᵀ T = U Σ Vᵀ, R = U Vᵀ. For different widths that is the solution after the narrower side is padded with
    /// columns of zeros. Directions without variance in the texts (singular values of 0, as with fewer rows than columns)
    /// are dropped rather than rotated arbitrarily. s = Σᵢ σᵢ / ‖X R‖².
    func procrustes(_ x: Matrix, _ t: Matrix, isScaled: Bool) throws(StatesError) -> Matrix {
        let parts = try solving { () throws(LinearAlgebraError) in
            try SingularValues(of: product(x, t, transposing: .first))
        }
        let rank = parts.values.prefix { $0 > 1e-12 * (parts.values.first ?? 0) }.count
        guard rank > 0 else { throw .noContrast }
        let right = Matrix(
            rows: rank, columns: t.columns,
            values: Array(parts.rightTransposed.values.prefix(rank * t.columns)))
        let rotation = product(parts.left.leadingColumns(rank), right)
        guard isScaled else { return rotation }
        let factor = parts.values.reduce(0, +) / squaredNorm(product(x, rotation))
        return rotation.scalingColumns([Double](repeating: factor, count: rotation.columns))
    }
}
