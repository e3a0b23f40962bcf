// SPDX-License-Identifier: Apache-2.0
// Logistic regression with an L2 penalty, by Newton's method. With fewer rows than columns the weights are in the span of
// the rows, so the number of unknowns never exceeds the number of rows.

import Glibc
import LinearAlgebra

/// A linear probe: the log-odds of the positive class are w·x + b.
package struct LogisticProbe: Sendable {
    package struct Options: Sendable {
        /// λ in (1/n) Σ log(1 + exp(−yᵢ(w·xᵢ + b))) + λ/2 |w|², where rows x are centred and have a mean square norm of
        /// 1. On such rows scikit-learn's C is 1/(λn).
        package var penalty = 1e-3

        package init() {}
    }

    /// w [width], for rows in their original units.
    package let weights: [Double]
    /// b.
    package let intercept: Double

    /// - Parameters:
    ///   - rows: [n × width], as captured.
    ///   - labels: [n]; positive numbers mark the positive class.
    /// - Throws: `StatesError` for rows that are not finite or are all equal, for a single class, or for too few rows.
    /// - Precondition: there are as many labels as rows, and the penalty is positive.
    package init(rows: Matrix, labels: [Double], options: Options = Options()) throws(StatesError) {
        precondition(options.penalty > 0, "LogisticProbe: without a penalty separable rows have no optimum")
        try requireTwoClasses(rows: rows, labels: labels, least: 1)
        let means = rows.columnMeans
        guard hasVariance(rows, means: means) else { throw .noVariance(rowCount: rows.rows) }
        let centred = rows.subtractingFromRows(means)
        let scale = (dotProduct(centred.values, centred.values) / Double(rows.rows)).squareRoot()
        let inputs = Matrix(
            rows: rows.rows, columns: rows.columns, values: centred.values.map { $0 / scale })
        let signs = labels.map { $0 > 0 ? 1.0 : -1.0 }
        let weights: [Double]
        let offset: Double
        if rows.rows < rows.columns {
            // X = U S Vᵀ: the fit uses the features U S; V = Xᵀ U / S maps its weights back.
            let eigen = try solving { () throws(LinearAlgebraError) in
                try SymmetricEigen(of: gram(inputs, ofRows: true))
            }
            let rank = eigen.values.prefix { $0 > 1e-12 * (eigen.values.first ?? 0) }.count
            let roots = eigen.values.prefix(rank).map { $0.squareRoot() }
            let basis = eigen.vectors.leadingColumns(rank)
            let fit = try NewtonFit(
                features: basis.scalingColumns(roots), signs: signs, penalty: options.penalty)
            let scaled = zip(fit.weights, roots).map { $0 / $1 }
            weights = product(inputs, product(basis, scaled), transposing: true)
            offset = fit.intercept
        } else {
            let fit = try NewtonFit(features: inputs, signs: signs, penalty: options.penalty)
            (weights, offset) = (fit.weights, fit.intercept)
        }
        self.weights = weights.map { $0 / scale }
        intercept = offset - dotProduct(self.weights, means)
    }

    /// w·x + b for each row [m × width].
    package func logOdds(for rows: Matrix) -> [Double] { product(rows, weights).map { $0 + intercept } }
}

/// The optimum for features of full rank. The objective is convex, so Newton steps, halved while they overshoot, reach it
/// from any start.
private struct NewtonFit {
    let weights: [Double]
    let intercept: Double

    /// - Parameters:
    ///   - features: F [n × r].
    ///   - signs: ±1 per row.
    init(features: Matrix, signs: [Double], penalty: Double) throws(StatesError) {
        let count = Double(features.rows), rank = features.columns
        // The intercept is the last unknown, the weight of a column of ones; it is not penalized.
        var design = Matrix(rows: features.rows, columns: rank + 1)
        for row in 0..<features.rows {
            design.values.replaceSubrange(row * (rank + 1)..<row * (rank + 1) + rank, with: features.row(row))
            design[row, rank] = 1
        }
        func penalized(_ index: Int) -> Double { index < rank ? penalty : 0 }

        func objective(_ unknowns: [Double], _ logOdds: [Double]) -> Double {
            var sum = 0.0
            for (margin, sign) in zip(logOdds, signs) { sum += softplus(-sign * margin) }
            var squares = 0.0
            for index in 0..<rank { squares += unknowns[index] * unknowns[index] }
            return sum / count + penalty / 2 * squares
        }

        var unknowns = [Double](repeating: 0, count: rank + 1)
        var logOdds = [Double](repeating: 0, count: features.rows)
        var loss = objective(unknowns, logOdds)
        for _ in 0..<100 {
            // The signed probability of error, and its variance.
            let errors = zip(logOdds, signs).map { -$1 * sigmoid(-$1 * $0) / count }
            let variances = logOdds.map { sigmoid($0) * sigmoid(-$0) / count }
            var gradient = product(design, errors, transposing: true)
            for index in 0..<rank { gradient[index] += penalty * unknowns[index] }
            guard gradient.contains(where: { abs($0) > 1e-11 }) else { break }
            var weighted = design
            for row in 0..<design.rows {
                let root = variances[row].squareRoot()
                for column in 0...rank { weighted.values[row * (rank + 1) + column] *= root }
            }
            var curvature = gram(weighted)
            // If every row is far from the boundary, nothing determines the intercept; a small curvature does.
            for index in 0...rank { curvature[index, index] += max(penalized(index), 1e-12) }
            let step = try solving { () throws(LinearAlgebraError) in
                try CholeskyFactor(of: curvature).solve(gradient)
            }
            let moved = product(design, step)
            let decrease = dotProduct(gradient, step)
            var length = 1.0, hasMoved = false
            while length > 1e-6, !hasMoved {
                let next = zip(unknowns, step).map { $0 - length * $1 }
                let nextLogOdds = zip(logOdds, moved).map { $0 - length * $1 }
                let nextLoss = objective(next, nextLogOdds)
                if nextLoss <= loss - 1e-4 * length * decrease {
                    (unknowns, logOdds, loss, hasMoved) = (next, nextLogOdds, nextLoss, true)
                }
                length /= 2
            }
            // The remaining gain is rounding error.
            if !hasMoved { break }
        }
        weights = Array(unknowns[..<rank])
        intercept = unknowns[rank]
    }
}

private func sigmoid(_ x: Double) -> Double { x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)) }

/// log(1 + eˣ).
private func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
