// SPDX-License-Identifier: Apache-2.0
// The thin singular value decomposition.

/// A [m × n] = U diag(values) Vᵀ, with k = min(m, n) values.
package struct SingularValues: Sendable {
    /// U [m × k]; the signs follow those of `rightTransposed`.
    package let left: Matrix
    /// Descending, not negative.
    package let values: [Double]
    /// Vᵀ [k × n]; the largest component of each row is positive.
    package let rightTransposed: Matrix

    /// - Parameter methods: The methods to try, in this order, until one converges.
    /// - Throws: `.notFinite`, `.notConverged`, `.libraryMissing`.
    package init(of matrix: Matrix, by methods: [Method] = Method.allCases) throws(LinearAlgebraError) {
        let (rows, columns) = (matrix.rows, matrix.columns), count = min(rows, columns)
        // LAPACK sees Aᵀ = V Σ Uᵀ; its V, column-major, is our Vᵀ, and its Uᵀ is our U.
        var left = Matrix(rows: rows, columns: count), right = Matrix(rows: count, columns: columns)
        values = try decompose(matrix, by: methods, first: &right.values, second: &left.values)
        for index in 0..<count where right.row(index).largestIsNegative {
            right.negateRow(index)
            for row in 0..<rows { left[row, index] = -left[row, index] }
        }
        self.left = left
        rightTransposed = right
    }

    /// LAPACK's algorithm for the decomposition.
    package enum Method: CaseIterable, Sendable {
        /// Several times faster; does not converge for a few matrices of low rank.
        case divideAndConquer
        case iteration
    }
}

/// The singular values of a row-major matrix, and V and Uᵀ in LAPACK's order.
private func decompose(
    _ matrix: Matrix, by methods: [SingularValues.Method], first: inout [Double], second: inout [Double]
) throws(LinearAlgebraError) -> [Double] {
    let job = "S"
    let library = try OpenBLAS.shared.get()
    try matrix.requireFinite()
    let count = min(matrix.rows, matrix.columns)
    if count == 0 { return [] }
    var values = [Double](repeating: 0, count: count), status: Int32 = 0
    let m = asCount(matrix.columns), n = asCount(matrix.rows), k = asCount(count)
    for method in methods {
        // LAPACK overwrites its input.
        var copy = matrix.values, counts = [Int32](repeating: 0, count: 8 * count)
        func call(_ work: inout [Double], asking: Bool) {
            let length = asking ? [-1] : asCount(work.count)
            switch method {
            case .divideAndConquer:
                library.dgesdd(
                    job, m, n, &copy, m, &values, &first, m, &second, k, &work, length, &counts, &status, 1)
            case .iteration:
                library.dgesvd(
                    job, job, m, n, &copy, m, &values, &first, m, &second, k, &work, length, &status, 1, 1)
            }
        }
        var work = [0.0]
        call(&work, asking: true)
        work = [Double](repeating: 0, count: Int(work[0]))
        call(&work, asking: false)
        if status == 0 { break }
    }
    try requireConverged(status, "the singular values of a matrix of \(matrix.rows) × \(matrix.columns)")
    return values
}
