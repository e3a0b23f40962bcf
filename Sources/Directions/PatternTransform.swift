// SPDX-License-Identifier: Apache-2.0
// Reading is not writing: the direction that separates two classes best is tilted away from correlated noise that it must
// cancel. The Haufe pattern is the change of the states that goes along with a higher reading (Haufe et al. 2014,
// NeuroImage 87).

import LinearAlgebra

/// Haufe pattern Σw / (wᵀΣw): the states' expected change, under their own covariance, when w·x rises by 1.
///
/// - Parameters:
///   - w: [width], the weights of a discriminative model.
///   - rows: [n × width], whose covariance is Σ.
///   - shrinkage: 0...1, how far Σ is shrunk towards a multiple of the identity; at 1 the result is w / |w|².
/// - Returns: [width]; zeros where w·x does not vary.
/// - Precondition: sizes agree, and there is at least one row.
package func patternTransform(_ w: [Double], of rows: Matrix, shrinkage: Double = 0) -> [Double] {
    precondition(w.count == rows.columns && rows.rows > 0, "patternTransform: sizes differ")
    precondition((0...1).contains(shrinkage), "patternTransform: a shrinkage of \(shrinkage)")
    let x = rows.centred()
    let readings = product(x, w)
    let count = Double(rows.rows), isotropic = dotProduct(x.values, x.values) / count / Double(x.columns)
    let moved = zip(product(x, readings, transposing: true), w).map {
        (1 - shrinkage) * $0 / count + shrinkage * isotropic * $1
    }
    let variance = dotProduct(w, moved)
    return variance > 0 ? moved.map { $0 / variance } : [Double](repeating: 0, count: w.count)
}
