// SPDX-License-Identifier: Apache-2.0
// The result of a Recursive Feature Machine: the leading eigenvector of its metric, and its share of the metric.

import LinearAlgebra

extension RecursiveFeatureMachine {
    /// The leading eigenvector of M, with figures about the spectrum.
    package struct Feature: Sendable {
        /// Unit vector [width] towards the positive class.
        package let direction: [Double]
        package let spectrum: Spectrum
    }

    /// The distribution of the metric's eigenvalues λ.
    package struct Spectrum: Sendable, Equatable {
        /// λ₁ / Σλ: 1 where the machine has learned a single direction.
        package let dominance: Double
        /// (Σλ)² / Σλ²: the effective number of directions.
        package let participationRatio: Double
        /// λ₁ / λ₂: near 1, the leading direction is arbitrary. Infinite where there is no second eigenvalue.
        package let gap: Double
    }

    /// The eigenvectors of M = GᵀG/n, by the smaller of GᵀG and GGᵀ.
    ///
    /// - Throws: `StatesError.noContrast` where the predictor is flat, `.unsolvable`.
    package func feature() throws(StatesError) -> Feature {
        let byRows = gradients.rows < gradients.columns
        let products = gram(gradients, ofRows: byRows)
        let trace = (0..<products.rows).reduce(0.0) { $0 + products[$1, $1] }
        guard trace > 0 else { throw .noContrast }
        let wanted = min(2, products.rows)
        let eigen = try solving { () throws(LinearAlgebraError) in
            try SymmetricEigen(of: products, largest: wanted)
        }
        let first = eigen.values[0], second = wanted > 1 ? max(eigen.values[1], 0) : 0
        let leading = eigen.vectors.column(0)
        let vector = normalized(byRows ? product(gradients, leading, transposing: true) : leading)
        // Inputs and labels are centred (inputs of unit norm nearly so): the product has the sign of the correlation.
        let scores = product(inputs, vector)
        let mean = scores.reduce(0, +) / Double(scores.count)
        let covariance = dotProduct(scores.map { $0 - mean }, labels)
        return Feature(
            direction: covariance < 0 ? vector.map { -$0 } : vector,
            spectrum: Spectrum(
                dominance: first / trace,
                participationRatio: trace * trace / dotProduct(products.values, products.values),
                gap: second > 0 ? first / second : .infinity))
    }
}
