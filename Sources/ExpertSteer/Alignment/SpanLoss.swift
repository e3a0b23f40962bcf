// SPDX-License-Identifier: Apache-2.0
// The loss of an anchored auto-encoder as a function of its code's span only.

import LinearAlgebra

/// K(V) = min over A, R of (‖X − X V A‖² + λ ‖X V R − T‖²) / n: the loss of predicting both the expert's states and the
/// target's from X V.
///
/// Among codes with the column space of X V, X V R minimizes J (`AutoencoderLoss`), and there J equals K. J itself has an
/// edge wherever WᵀCW is singular: where λ is small and a component of R has the wrong sign, descent shrinks this
/// component until it stops at the edge, above the optimum by λ times the component's square. Only rounding decides
/// whether a step is long enough to cross the edge. K has no such edges, since it does not depend on the basis of the
/// span, and all its minima are equal (Baldi, Hornik 1989).
package struct SpanLoss: Sendable {
    /// C = XᵀX / n [e × e], with the penalty on its diagonal.
    private let moments: Matrix
    /// XᵀY / n [e × (e + t)], Y = [X, √λ T].
    private let loads: Matrix
    private let anchor: Double
    private let constant: Double

    /// - Parameters:
    ///   - x: centred states of the expert [n × e].
    ///   - target: centred states of the target [n × t].
    ///   - anchor: λ, positive.
    ///   - penalty: ρ as an absolute value: XᵀX + ρ replaces XᵀX.
    package init(x: Matrix, target: Matrix, anchor: Double, penalty: Double) {
        precondition(target.rows == x.rows && anchor > 0, "SpanLoss: no such target")
        let share = 1 / Double(x.rows), root = anchor.squareRoot()
        let squares = gram(x).addingToDiagonal(penalty)
        let cross = product(x, target, transposing: .first)
        let moments = Matrix(rows: x.columns, columns: x.columns, values: squares.values.map { $0 * share })
        let rows = (0..<x.columns).flatMap { row in
            moments.row(row) + cross.row(row).map { $0 * share * root }
        }
        loads = Matrix(rows: x.columns, columns: x.columns + target.columns, values: rows)
        let trace = (0..<x.columns).reduce(0) { $0 + moments[$1, $1] }
        constant = trace + anchor * squaredNorm(target) * share
        self.moments = moments
        self.anchor = anchor
    }

    /// K with its gradient and the readout B = [A, √λ R] = (VᵀCV + ε)⁻¹ Vᵀ XᵀY / n; ε as in `AutoencoderLoss.reduced`.
    ///
    /// - Parameter columns: V [e × code width].
    package func callAsFunction(_ columns: [Double]) -> (
        value: Double, gradient: [Double], readout: Matrix
    ) {
        let v = matrix(columns)
        let cv = product(moments, v)
        let squares = product(v, cv, transposing: .first)
        let trace = (0..<v.columns).reduce(0) { $0 + squares[$1, $1] }
        let epsilon = AutoencoderLoss.regularisation * trace
        let found = product(v, loads, transposing: .first)
        guard let factor = try? CholeskyFactor(of: squares.addingToDiagonal(epsilon)) else {
            return (.infinity, columns.map { _ in 0 }, Matrix(rows: v.columns, columns: loads.columns))
        }
        let readout = factor.solve(found)
        // ∂V = 2 (C V B − XᵀY / n) Bᵀ + 2 ε C V ‖B‖² / tr VᵀCV.
        var excess = product(cv, readout)
        for index in excess.values.indices { excess.values[index] -= loads.values[index] }
        var gradient = product(excess, readout, transposing: .second).values
        let size = AutoencoderLoss.regularisation * dotProduct(readout.values, readout.values)
        for index in gradient.indices { gradient[index] = 2 * (gradient[index] + size * cv.values[index]) }
        return (constant - dotProduct(found.values, readout.values), gradient, readout)
    }

    /// W = V R [e × t].
    package func encoder(_ columns: [Double]) -> Matrix {
        let root = anchor.squareRoot()
        let mixing = self(columns).readout.transposed.values.dropFirst(columns.count)
        let width = loads.columns - loads.rows
        return product(
            matrix(columns),
            Matrix(rows: width, columns: columns.count / loads.rows, values: mixing.map { $0 / root }),
            transposing: .second)
    }

    private func matrix(_ columns: [Double]) -> Matrix {
        Matrix(rows: loads.rows, columns: columns.count / loads.rows, values: columns)
    }
}
