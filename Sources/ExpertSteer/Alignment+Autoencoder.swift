// SPDX-License-Identifier: Apache-2.0
// Auto-encoders in closed form: principal components, and what becomes of them when the code is tied to the target.

import LinearAlgebra

extension AlignmentProblem {
    /// W [width of X × width of T] of the loss ‖X − X W U‖² + λ ‖X W − T‖², minimized over W and U.
    ///
    /// With ridge ρ the loss is that of X and T above √ρ I and zeros. Then nothing is singular, the principal axes of X
    /// stay, and the second term becomes that of ridge regression.
    func autoencoder(_ states: AlignedStates, anchor: Double) throws(StatesError) -> Matrix {
        if case .gradient(let iterations) = options.solver, anchor.isFinite {
            return try autoencoderByGradient(states, anchor: anchor, iterations: iterations)
        }
        guard let target = states.target, let path = states.ridge, anchor > 0 else {
            return try principalAxes(states.expert)
        }
        // Where all of the expert fits into the code, reconstruction is free and every λ > 0 gives the same.
        if anchor == .infinity || width >= states.expert.columns { return path.weights(ridge: ridge) }
        return try anchored(states.expert, target, anchor: anchor)
    }

    /// The optimum without a target: as many principal axes as the code has columns, others zero (Baldi, Hornik 1989).
    private func principalAxes(_ x: Matrix) throws(StatesError) -> Matrix {
        let eigen = try solving { () throws(LinearAlgebraError) in try SymmetricEigen(of: gram(x)) }
        let rank = eigen.values.prefix { $0 > 1e-12 * (eigen.values.first ?? 0) }.count
        let axes = eigen.vectors.leadingColumns(min(rank, width)).transposed.values
        let zeros = [Double](repeating: 0, count: width * x.columns - axes.count)
        return Matrix(rows: width, columns: x.columns, values: axes + zeros).transposed
    }

    /// For a code Z = X W, the best decoder leaves ‖X‖² − ‖P X‖², where P projects onto the columns of Z. Among all Z with
    /// these columns P T̂ is nearest to T, with T̂ the ridge regression. So P maximizes tr P (X Xᵀ + λ T̂ T̂ᵀ): reduced-rank
    /// regression (Izenman 1975) of X and √λ T at once.
    ///
    /// With C = XᵀX + ρ and D = XᵀT, the columns are X C^-½ Q for the first eigenvectors Q of C + λ C^-½ D Dᵀ C^-½, and
    /// W = C^-½ Q Qᵀ C^-½ D. Below, in the eigenvectors V of C.
    private func anchored(_ x: Matrix, _ target: Matrix, anchor: Double) throws(StatesError) -> Matrix {
        let moments = gram(x)
        let penalty = ridge * squaredNorm(x) / Double(x.columns)
        let eigen = try solving { () throws(LinearAlgebraError) in try SymmetricEigen(of: moments) }
        let largest = (eigen.values.first ?? 0) + penalty
        let variances = eigen.values.map { max($0, 0) + penalty }
        let roots = variances.map { $0 > 1e-12 * largest ? 1 / $0.squareRoot() : 0 }
        // C^-½ D = diag(roots) Vᵀ Xᵀ T.
        let loads = product(
            eigen.vectors.scalingColumns(roots), product(x, target, transposing: .first), transposing: .first)
        var gains = gram(loads, ofRows: true)
        for index in gains.values.indices { gains.values[index] *= anchor }
        for index in 0..<gains.rows { gains[index, index] += variances[index] }
        let leading = try solving { () throws(LinearAlgebraError) in
            // A code is seldom much narrower than the expert, and many eigenvectors are found faster with all.
            try SymmetricEigen(of: gains).vectors.leadingColumns(width)
        }
        let projected = product(leading, product(leading, loads, transposing: .first))
        return product(eigen.vectors.scalingColumns(roots), projected)
    }
}
