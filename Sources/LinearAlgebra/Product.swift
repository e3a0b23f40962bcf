// SPDX-License-Identifier: Apache-2.0
// Products. BLAS sees a row-major matrix as its transpose, so C = A B is computed as Cᵀ = Bᵀ Aᵀ.

package enum Transposition: Sendable {
    case none, first, second
}

/// A B, Aᵀ B or A Bᵀ; zeros if the shared size is 0.
/// - Precondition: the shared sizes are equal, and OpenBLAS can be loaded.
package func product(_ a: Matrix, _ b: Matrix, transposing: Transposition = .none) -> Matrix {
    let (rows, inner) = transposing == .first ? (a.columns, a.rows) : (a.rows, a.columns)
    let (otherInner, columns) = transposing == .second ? (b.columns, b.rows) : (b.rows, b.columns)
    precondition(
        inner == otherInner,
        "product: \(a.rows) × \(a.columns) and \(b.rows) × \(b.columns), transposing \(transposing)")
    var result = Matrix(rows: rows, columns: columns)
    if rows == 0 || columns == 0 || inner == 0 { return result }
    let (m, n, k) = (asCount(columns), asCount(rows), asCount(inner))
    let second = transposing == .second ? "T" : "N", first = transposing == .first ? "T" : "N"
    OpenBLAS.loaded.dgemm(
        second, first, m, n, k, [1], b.values, asCount(b.columns), a.values, asCount(a.columns), [0],
        &result.values, m, 1, 1)
    return result
}

/// A x, or Aᵀ x.
/// - Precondition: x has as many elements as A has columns (transposing: rows), and OpenBLAS can be loaded.
package func product(_ a: Matrix, _ x: [Double], transposing: Bool = false) -> [Double] {
    let (size, inner) = transposing ? (a.columns, a.rows) : (a.rows, a.columns)
    precondition(x.count == inner, "product: \(a.rows) × \(a.columns) and \(x.count) elements")
    var result = [Double](repeating: 0, count: size)
    if size == 0 || inner == 0 { return result }
    let m = asCount(a.columns), n = asCount(a.rows), asked = transposing ? "N" : "T"
    OpenBLAS.loaded.dgemv(asked, m, n, [1], a.values, m, x, [1], [0], &result, [1], 1)
    return result
}

/// XᵀX [columns × columns], or X Xᵀ [rows × rows] if `ofRows`: half the work of a product, and exactly symmetric.
/// - Precondition: OpenBLAS can be loaded.
package func gram(_ x: Matrix, ofRows: Bool = false) -> Matrix {
    let (size, inner) = ofRows ? (x.rows, x.columns) : (x.columns, x.rows)
    var result = Matrix(rows: size, columns: size)
    if size == 0 || inner == 0 { return result }
    let n = asCount(size), asked = ofRows ? "T" : "N"
    // BLAS' lower triangle is the upper one of a row-major matrix.
    OpenBLAS.loaded.dsyrk(
        "L", asked, n, asCount(inner), [1], x.values, asCount(x.columns), [0], &result.values, n, 1, 1)
    for row in 0..<size {
        for column in 0..<row { result.values[row * size + column] = result.values[column * size + row] }
    }
    return result
}

/// Σ xᵢ yᵢ, in order.
package func dotProduct(_ x: [Double], _ y: [Double]) -> Double {
    precondition(x.count == y.count, "dotProduct: \(x.count) and \(y.count) elements")
    var sum = 0.0
    for index in 0..<x.count { sum += x[index] * y[index] }
    return sum
}
