// SPDX-License-Identifier: Apache-2.0
// Auto-encoder alignment in closed form: principal components, or reduced-rank regression if the code is tied to the target.

import Directions
import LinearAlgebra

extension AlignmentProblem {
    /// W [width of X × width of T] of the loss ‖X − X W U‖² + λ ‖X W − T‖², minimized over W and U.
    ///
    /// A ridge ρ appends √ρ I to the rows of X and zeros to those of T. Then nothing is singular, the principal axes of X
    /// stay the same, and the second term becomes the loss of ridge regression.
    func autoencoder(_ states: AlignedStates, anchor: Double) throws(StatesError) -> Matrix {
        if case .gradient(let iterations) = options.solver, anchor.isFinite {
            return try autoencoderByGradient(states, anchor: anchor, iterations: iterations)
        }
        guard let path = states.ridge, anchor > 0 else { return try principalAxes(states.expert) }
        return try anchored(path, anchor: anchor)
    }

    /// The optimum without a target: as many principal axes as the code has columns, the others zero (Baldi, Hornik 1989).
    private func principalAxes(_ x: Matrix) throws(StatesError) -> Matrix {
        let parts = try solving { () throws(LinearAlgebraError) in try SingularValues(of: x) }
        let rank = parts.values.prefix { $0 > 1e-12 * (parts.values.first ?? 0) }.count
        let axes = parts.rightTransposed.values.prefix(min(rank, width) * x.columns)
        let zeros = [Double](repeating: 0, count: width * x.columns - axes.count)
        return Matrix(rows: width, columns: x.columns, values: axes + zeros).transposed
    }

    /// For a code Z = X W, the best decoder leaves ‖X‖² − ‖P X‖², where P projects onto the columns of Z. Among all Z
    /// with the same column space, P T̂ is nearest to T, where T̂ is the ridge regression. So P maximizes
    /// tr P (X Xᵀ + λ T̂ T̂ᵀ): a joint reduced-rank regression (Izenman 1975) of X and √λ T.
    ///
    /// With C = XᵀX + ρ and L = C^-½ XᵀT, the columns are X C^-½ Q for the first eigenvectors Q of C + λ L Lᵀ, and
    /// W = C^-½ Q Qᵀ L. The code uses the basis of the right singular vectors of X, outside of which L is zero.
    private func anchored(_ path: RidgePath, anchor: Double) throws(StatesError) -> Matrix {
        // If the code is wide enough for the whole expert, reconstruction is exact and every λ > 0 has the same optimum.
        let count = path.singularValues.count
        if anchor == .infinity || width >= count { return path.weights(ridge: ridge) }
        let variances = path.singularValues.map { $0 * $0 + ridge * path.unit }
        let least = 1e-12 * (variances.first ?? 0)
        let roots = variances.map { $0 > least ? 1 / $0.squareRoot() : 0 }
        var loads = path.loads.transposed.scalingColumns(zip(roots, path.singularValues).map { $0 * $1 })
        loads = loads.transposed
        var gains = gram(loads, ofRows: true)
        for index in gains.values.indices { gains.values[index] *= anchor }
        for index in 0..<count { gains[index, index] += variances[index] }
        let leading = try solving { () throws(LinearAlgebraError) in
            // A code is seldom much narrower than the expert, and for many eigenvectors the full decomposition is faster.
            try SymmetricEigen(of: gains).vectors.leadingColumns(width)
        }
        let projected = product(leading, product(leading, loads, transposing: .first))
        return product(path.axes.transposed.scalingColumns(roots), projected)
    }
}
