// SPDX-License-Identifier: Apache-2.0
// Ridge regression for all penalties at once, and the choice of the penalty.

import Directions
import LinearAlgebra

/// X = P diag(s) Qᵀ; W(ρ) = Q diag(s / (s² + ρ)) Pᵀ T for every ρ.
struct RidgePath {
    /// s [k].
    let singularValues: [Double]
    /// Qᵀ [k × width of X].
    let axes: Matrix
    /// Pᵀ T [k × width of T].
    let loads: Matrix
    /// ‖X‖² / width of X: the absolute value of a penalty of 1.
    let unit: Double

    init(_ x: Matrix, _ t: Matrix) throws(StatesError) {
        let parts = try solving { () throws(LinearAlgebraError) in try SingularValues(of: x) }
        singularValues = parts.values
        axes = parts.rightTransposed
        loads = product(parts.left, t, transposing: .first)
        unit = parts.values.reduce(0) { $0 + $1 * $1 } / Double(max(x.columns, 1))
    }

    /// W [width of X × width of T].
    /// - Parameter ridge: in units of the mean variance of the columns of X.
    func weights(ridge: Double) -> Matrix {
        product(axes.transposed.scalingColumns(factors(ridge)), loads)
    }

    /// The prediction of T for rows X' with `scores` = X' Q.
    func prediction(scores: Matrix, ridge: Double) -> Matrix {
        product(scores.scalingColumns(factors(ridge)), loads)
    }

    private func factors(_ ridge: Double) -> [Double] {
        let penalty = ridge * unit
        // Without a penalty, directions that occur in no row have weight 0.
        let least = (singularValues.first ?? 0) * 1e-12
        return singularValues.map { $0 > least ? $0 / ($0 * $0 + penalty) : 0 }
    }
}

extension Alignment {
    /// The penalty of the grid with the least squared error on held-out rows.
    static func bestRidge(_ parts: [FoldStates]) -> Double {
        var errors = [Double](repeating: 0, count: ridgeGrid.count)
        for part in parts {
            guard let path = part.fitted.ridge, let tested = part.testedTarget else { continue }
            let scores = product(part.testedExpert, path.axes, transposing: .second)
            for (index, ridge) in ridgeGrid.enumerated() {
                errors[index] += squaredDistance(path.prediction(scores: scores, ridge: ridge), tested)
            }
        }
        // Among equals the largest penalty: the simplest map.
        var best = ridgeGrid.count - 1
        for index in ridgeGrid.indices.reversed() where errors[index] < errors[best] { best = index }
        return ridgeGrid[best]
    }
}

/// ‖A − B‖².
func squaredDistance(_ a: Matrix, _ b: Matrix) -> Double {
    precondition(a.rows == b.rows && a.columns == b.columns, "squaredDistance: sizes differ")
    var sum = 0.0
    for index in 0..<a.values.count {
        let difference = a.values[index] - b.values[index]
        sum += difference * difference
    }
    return sum
}

func squaredNorm(_ a: Matrix) -> Double { dotProduct(a.values, a.values) }
