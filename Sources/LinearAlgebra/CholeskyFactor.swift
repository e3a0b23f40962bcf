// SPDX-License-Identifier: Apache-2.0
// The factorization L Lᵀ of symmetric positive definite matrices, and products with the inverse.

import Glibc

/// A = L Lᵀ with a lower triangle L.
package struct CholeskyFactor: Sendable {
    /// L in and below the diagonal; elements above the diagonal are undefined.
    package let factor: Matrix

    package var size: Int { factor.rows }

    /// ln det A = 2 Σ ln Lᵢᵢ.
    package let logDeterminant: Double

    /// Factors a symmetric matrix; reads its lower triangle only.
    ///
    /// - Throws: `.notFinite`, `.notPositiveDefinite`, `.libraryMissing`.
    /// - Precondition: the matrix is square.
    package init(of matrix: Matrix) throws(LinearAlgebraError) {
        precondition(matrix.isSquare, "CholeskyFactor: \(matrix.rows) × \(matrix.columns) is not square")
        let library = try OpenBLAS.shared.get()
        try matrix.requireFinite()
        var factor = matrix
        if matrix.rows > 0 {
            let size = asCount(matrix.rows)
            var status: Int32 = 0
            // A row-major lower triangle is LAPACK's upper one: A = Uᵀ U with U = Lᵀ.
            library.dpotrf("U", size, &factor.values, size, &status, 1)
            guard status == 0 else {
                throw LinearAlgebraError(
                    .notPositiveDefinite,
                    "a matrix of \(matrix.rows) rows is not positive definite: its first \(status) rows are not"
                )
            }
        }
        self.factor = factor
        var sum = 0.0
        for index in 0..<factor.rows { sum += log(factor[index, index]) }
        logDeterminant = 2 * sum
    }

    /// A⁻¹ B for B [size × n].
    package func solve(_ b: Matrix) -> Matrix { solveUpper(solveLower(b)) }

    /// A⁻¹ b for b [size].
    package func solve(_ b: [Double]) -> [Double] {
        solve(Matrix(rows: b.count, columns: 1, values: b)).values
    }

    /// L⁻¹ B for B [size × n]: whitens variables with covariance A, so that they are uncorrelated with variance 1.
    package func solveLower(_ b: Matrix) -> Matrix { solve(b, transposed: "N") }

    /// (Lᵀ)⁻¹ B for B [size × n].
    package func solveUpper(_ b: Matrix) -> Matrix { solve(b, transposed: "T") }

    /// LAPACK sees Bᵀ, so L⁻¹ B = (Bᵀ U⁻¹)ᵀ: it solves from the right.
    private func solve(_ b: Matrix, transposed: String) -> Matrix {
        precondition(b.rows == size, "CholeskyFactor: \(b.rows) rows for a factor of \(size)")
        var result = b
        if b.values.isEmpty { return result }
        let m = asCount(b.columns), n = asCount(size)
        OpenBLAS.loaded.dtrsm(
            "R", "U", transposed, "N", m, n, [1], factor.values, n, &result.values, m, 1, 1, 1, 1)
        return result
    }
}
