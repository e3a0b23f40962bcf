// SPDX-License-Identifier: Apache-2.0
// Reading is not writing: a direction that separates two classes best leans away from whatever noise it has to cancel.
// The pattern that goes with it is what the states do when its reading rises (Haufe et al. 2014, NeuroImage 87).

import LinearAlgebra

/// Σw / (wᵀΣw): the change of the states that raises w·x by 1, as they vary by themselves.
///
/// - Parameters:
///   - w: [width], what reads the concept.
///   - rows: [n × width], whose covariance is Σ.
///   - shrinkage: 0...1, how far Σ is drawn to a multiple of the identity; at 1 the result is w / |w|².
/// - Returns: [width]; zeros where the reading does not vary.
/// - Precondition: sizes agree, and there is a row.
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
