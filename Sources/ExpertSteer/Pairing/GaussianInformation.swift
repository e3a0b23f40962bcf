// SPDX-License-Identifier: Apache-2.0
// Mutual information of jointly normal vectors, by canonical correlations.

import Directions
import LinearAlgebra

/// Mutual information −½ Σ ln(1 − ρₖ²) = −½ ln det(I − K Kᵀ) in nats: the canonical correlations ρ are the singular values of K.
///
/// - Parameters:
///   - cross: K = AᵀB / n of scores that are uncorrelated with variance 1.
///   - shrinkage: α: the joint covariance is (1 − α) times the sample covariance plus α I, so correlations are (1 − α) ρ.
/// - Throws: `StatesError.unsolvable` for correlations of 1, possible only with α = 0.
package func gaussianInformation(cross: Matrix, shrinkage: Double) throws(StatesError) -> Double {
    let factor = -(1 - shrinkage) * (1 - shrinkage)
    var remaining = gram(cross, ofRows: cross.rows <= cross.columns)
    for index in remaining.values.indices { remaining.values[index] *= factor }
    return -0.5
        * (try solving { () throws(LinearAlgebraError) in
            try CholeskyFactor(of: remaining.addingToDiagonal(1)).logDeterminant
        })
}

/// AᵀB / n.
func crossCorrelation(_ a: Matrix, _ b: Matrix) -> Matrix {
    let share = 1 / Double(a.rows)
    var result = product(a, b, transposing: .first)
    for index in result.values.indices { result.values[index] *= share }
    return result
}

/// The weight of one additional text without any correlation (the unit information prior of Kass and Wasserman 1995).
///
/// It suffices to keep the information of equal layers finite. More would bias the estimate. The excess by chance does
/// not depend on the true correlations, so permutations estimate and remove it instead.
func unitInformation(rowCount: Int) -> Double { 1 / Double(rowCount + 1) }
