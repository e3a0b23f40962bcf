// SPDX-License-Identifier: Apache-2.0
// Random matrices, and the plain loops that results are compared with.

import LinearAlgebra
import TestSupport
import Testing

extension Matrix {
    /// Standard normal values.
    static func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
        var random = SeededGenerator(seed: seed)
        return Matrix(
            rows: rows, columns: columns,
            values: (0..<rows * columns).map { _ in Double(random.nextNormal()) })
    }

    static func diagonal(_ values: [Double]) -> Matrix { identity(values.count).scalingColumns(values) }

    /// B Bᵀ + I for a random B: well conditioned.
    static func positiveDefinite(_ size: Int, seed: UInt64) -> Matrix {
        let b = random(size, size, seed: seed)
        return referenceProduct(b, b.transposed).addingToDiagonal(1)
    }
}

/// C[i, j] = Σ_k A[i, k] · B[k, j].
func referenceProduct(_ a: Matrix, _ b: Matrix) -> Matrix {
    precondition(a.columns == b.rows)
    var result = Matrix(rows: a.rows, columns: b.columns)
    for row in 0..<a.rows {
        for column in 0..<b.columns {
            for inner in 0..<a.columns { result[row, column] += a[row, inner] * b[inner, column] }
        }
    }
    return result
}

/// Expects equal sizes and no element further apart than `tolerance`.
func expectEqual(
    _ a: Matrix, _ b: Matrix, within tolerance: Double, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(a.rows == b.rows && a.columns == b.columns, sourceLocation: sourceLocation)
    let difference = zip(a.values, b.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(difference <= tolerance, sourceLocation: sourceLocation)
}
