// SPDX-License-Identifier: Apache-2.0
// The metric that a Recursive Feature Machine learns, in two forms: M itself, or the gradients whose averaged outer
// product is M. Kernel regression needs only inner products xᵀ M y and products M x.

import LinearAlgebra

enum FeatureMetric: Sendable {
    case identity
    /// M = FᵀF with F = G/√n, [n × width].
    case factor(Matrix)
    /// M [width × width].
    case matrix(Matrix)

    /// M = GᵀG / n.
    init(gradients: Matrix, form: RecursiveFeatureMachine.Form) {
        let scale = (1 / Double(gradients.rows)).squareRoot()
        let factor = Matrix(
            rows: gradients.rows, columns: gradients.columns, values: gradients.values.map { $0 * scale })
        self = form == .dual ? .factor(factor) : .matrix(gram(factor))
    }

    func rows(_ x: Matrix) -> MetricRows {
        switch self {
        case .identity: return MetricRows(left: x, right: x, gradientRows: x)
        case .factor(let factor):
            let z = product(x, factor, transposing: .second)
            return MetricRows(left: z, right: z, gradientRows: product(z, factor))
        case .matrix(let matrix):
            let moved = product(x, matrix)
            return MetricRows(left: moved, right: x, gradientRows: moved)
        }
    }
}

/// Rows, transformed by a metric.
struct MetricRows: Sendable {
    /// left · rightᵀ contains the inner products xᵀ M y.
    let left, right: Matrix
    /// M x.
    let gradientRows: Matrix

    /// xᵀ M y between these rows and others, [rows × others].
    func products(_ other: MetricRows) -> Matrix { product(left, other.right, transposing: .second) }

    /// Distances from other rows to these, [others × rows].
    func distances(from other: MetricRows) -> Matrix {
        var result = other.products(self)
        let (squares, otherSquares) = (self.squares, other.squares)
        for row in 0..<result.rows {
            for column in 0..<result.columns {
                let index = row * result.columns + column
                result.values[index] = distanceBetween(
                    otherSquares[row], squares[column], product: result.values[index])
            }
        }
        return result
    }

    /// xᵀ M x of each row.
    private var squares: [Double] {
        (0..<left.rows).map { row in
            var sum = 0.0
            for (a, b) in zip(left.row(row), right.row(row)) { sum += a * b }
            return sum
        }
    }
}
