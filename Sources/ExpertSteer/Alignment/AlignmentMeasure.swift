// SPDX-License-Identifier: Apache-2.0
// Evaluates an alignment on held-out rows.

import Directions
import LinearAlgebra

/// Standardised states of one fold: fitted and held-out rows, both in the units of the fitted ones.
struct FoldStates {
    let fitted: AlignedStates
    /// X and T of the held-out rows.
    let testedExpert: Matrix
    let testedTarget: Matrix?

    init(
        fitted: [Int], tested: [Int], expert: Matrix, target: Matrix?, rule: Standardization, usesRidge: Bool
    ) throws(StatesError) {
        let states = try AlignedStates(
            expert: expert.selectingRows(fitted), target: target?.selectingRows(fitted), rule: rule,
            usesRidge: usesRidge)
        self.fitted = states
        testedExpert = states.expertScaling.apply(to: expert.selectingRows(tested))
        if let target, let scaling = states.targetScaling {
            testedTarget = scaling.apply(to: target.selectingRows(tested))
        } else {
            testedTarget = nil
        }
    }
}

extension Alignment {
    static func measure(_ problem: AlignmentProblem, on parts: [FoldStates], ridge: Double?)
        throws(StatesError)
        -> AlignmentFigures
    {
        var lost = 0.0, variance = 0.0
        var missed = 0.0, shared = 0.0, codeSquares = 0.0, targetSquares = 0.0
        for part in parts {
            let map = try problem.solve(part.fitted)
            let code = product(part.testedExpert, map)
            let decoded = product(
                code, try decoder(for: map, states: part.fitted.expert, ridge: problem.ridge))
            lost += squaredDistance(decoded, part.testedExpert)
            variance += squaredNorm(part.testedExpert)
            if let target = part.testedTarget {
                missed += squaredDistance(code, target)
                shared += dotProduct(code.values, target.values)
                codeSquares += squaredNorm(code)
                targetSquares += squaredNorm(target)
            }
        }
        let hasTarget = targetSquares > 0
        let lengths = (codeSquares * targetSquares).squareRoot()
        return AlignmentFigures(
            reconstruction: 1 - lost / variance, explained: hasTarget ? 1 - missed / targetSquares : nil,
            agreement: hasTarget ? (lengths > 0 ? shared / lengths : 0) : nil, ridge: ridge)
    }

    /// U [width of the code × width of X], the best affine decoder of X W: (WᵀCW)⁻¹ Wᵀ C with C = XᵀX + ρ.
    ///
    /// A small fraction of its mean diagonal is added to the diagonal of WᵀCW. So features that the code represents with
    /// less than 1e-4 of its mean amplitude count as lost. For principal axes the decoder is their transpose.
    static func decoder(for map: Matrix, states x: Matrix, ridge: Double) throws(StatesError) -> Matrix {
        let penalty = max(ridge, 1e-6) * squaredNorm(x) / Double(x.columns)
        // Wᵀ C = (X W)ᵀ X + ρ Wᵀ: an expert may be far wider than the number of texts.
        var loads = product(product(x, map), x, transposing: .first)
        for (index, value) in map.transposed.values.enumerated() { loads.values[index] += penalty * value }
        let squares = product(loads, map)
        let mean = (0..<squares.rows).reduce(0) { $0 + squares[$1, $1] } / Double(max(squares.rows, 1))
        guard mean > 0 else { return Matrix(rows: map.columns, columns: x.columns) }
        return try solving { () throws(LinearAlgebraError) in
            try CholeskyFactor(of: squares.addingToDiagonal(1e-8 * mean)).solve(loads)
        }
    }
}
