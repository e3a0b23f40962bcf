// SPDX-License-Identifier: Apache-2.0
// Eigenvalues and eigenvectors of symmetric matrices, all of them or the largest.

/// A = V diag(values) Vᵀ.
package struct SymmetricEigen: Sendable {
    /// Descending.
    package let values: [Double]
    /// [size × count]: column k belongs to `values[k]`; its length is 1 and its largest component is positive.
    package let vectors: Matrix

    /// Computes all eigenvalues; reads the lower triangle only.
    ///
    /// - Throws: `.notFinite`, `.notConverged`, `.libraryMissing`.
    /// - Precondition: the matrix is square.
    package init(of matrix: Matrix) throws(LinearAlgebraError) {
        precondition(matrix.isSquare, "SymmetricEigen: \(matrix.rows) × \(matrix.columns) is not square")
        let library = try OpenBLAS.shared.get()
        try matrix.requireFinite()
        var vectors = matrix
        var values = [Double](repeating: 0, count: matrix.rows)
        if matrix.rows > 0 {
            let size = asCount(matrix.rows)
            var status: Int32 = 0
            func call(_ work: inout [Double], _ counts: inout [Int32], asking: Bool) {
                let lengths = asking ? ([-1], [-1]) : (asCount(work.count), asCount(counts.count))
                library.dsyevd(
                    "V", "U", size, &vectors.values, size, &values, &work, lengths.0, &counts, lengths.1,
                    &status, 1, 1)
            }
            var work = [0.0], counts: [Int32] = [0]
            call(&work, &counts, asking: true)
            work = [Double](repeating: 0, count: Int(work[0]))
            counts = [Int32](repeating: 0, count: Int(counts[0]))
            call(&work, &counts, asking: false)
            try requireConverged(status, "the eigenvalues of a matrix of \(matrix.rows) rows")
        }
        self.init(ascending: values, vectorRows: vectors)
    }

    /// Computes the `count` largest eigenvalues; a few of them take a fraction of the work.
    ///
    /// - Throws: The errors of `init(of:)`.
    /// - Precondition: the matrix is square, and `count` is in 1...rows.
    package init(of matrix: Matrix, largest count: Int) throws(LinearAlgebraError) {
        precondition(matrix.isSquare, "SymmetricEigen: \(matrix.rows) × \(matrix.columns) is not square")
        precondition(count > 0 && count <= matrix.rows, "SymmetricEigen: \(count) of \(matrix.rows) values")
        let library = try OpenBLAS.shared.get()
        try matrix.requireFinite()
        var copy = matrix
        var values = [Double](repeating: 0, count: matrix.rows)
        var vectors = Matrix(rows: count, columns: matrix.rows)
        var support = [Int32](repeating: 0, count: 2 * matrix.rows)
        let size = asCount(matrix.rows), first = asCount(matrix.rows - count + 1)
        var found: Int32 = 0, status: Int32 = 0
        func call(_ work: inout [Double], _ counts: inout [Int32], asking: Bool) {
            let lengths = asking ? ([-1], [-1]) : (asCount(work.count), asCount(counts.count))
            // Values are not bounded; for a tolerance of 0 LAPACK uses the smallest sensible one.
            library.dsyevr(
                "V", "I", "U", size, &copy.values, size, [0], [0], first, size, [0], &found, &values,
                &vectors.values, size, &support, &work, lengths.0, &counts, lengths.1, &status, 1, 1, 1)
        }
        var work = [0.0], counts: [Int32] = [0]
        call(&work, &counts, asking: true)
        work = [Double](repeating: 0, count: Int(work[0]))
        counts = [Int32](repeating: 0, count: Int(counts[0]))
        call(&work, &counts, asking: false)
        try requireConverged(
            Int(found) == count ? status : 1, "\(count) eigenvalues of a matrix of \(matrix.rows) rows")
        self.init(ascending: Array(values.prefix(count)), vectorRows: vectors)
    }

    /// Converts from LAPACK's ascending order, with one eigenvector per row.
    private init(ascending: [Double], vectorRows: Matrix) {
        values = ascending.reversed()
        var rows = vectorRows.selectingRows((0..<vectorRows.rows).reversed())
        for index in 0..<rows.rows where rows.row(index).largestIsNegative { rows.negateRow(index) }
        vectors = rows.transposed
    }
}
