// SPDX-License-Identifier: Apache-2.0
// From contrastive activations to one direction: matrices and labels in, vectors out. This code does not know models.

import LinearAlgebra

/// How a direction is found.
package enum DirectionMethod: String, Sendable, CaseIterable {
    /// Mean difference: the mean of the positive side minus that of the negative side (CAA, arXiv 2312.06681).
    case meanDifference = "mean-difference"
    /// PCA: first principal component of the pairs' differences, not centred (RepE, arXiv 2310.01405).
    case pca
    /// Linear probe: weights of logistic regression (ITI, arXiv 2306.03341).
    case probe
    /// Leading feature of a Recursive Feature Machine (arXiv 2502.03708).
    case rfm
}

/// Settings of all methods.
package struct DirectionOptions: Sendable {
    package var machine = RecursiveFeatureMachine.Options()
    package var probe = LogisticProbe.Options()
    /// Limit for `probe` and `rfm`, whose work grows with the square and cube of the pair count; more pairs are thinned evenly.
    package var maximumPairCount = 256
    /// Converts the discriminative weights of `probe` and `rfm` into activation patterns (Haufe et al. 2014).
    package var usesPattern = false
    /// Shrinkage of the covariance that the pattern uses.
    package var patternShrinkage = 0.1

    package init() {}
}

/// A direction, with the method's own figures about it.
package struct FoundDirection: Sendable {
    /// Unit vector [width] from the negative to the positive side; zeros where both sides are equal in every pair.
    package let vector: [Double]
    /// `rfm` only.
    package let spectrum: RecursiveFeatureMachine.Spectrum?
}

extension DirectionMethod {
    /// Whether the method needs OpenBLAS; the mean difference does not.
    package var needsLinearAlgebra: Bool { self != .meanDifference }

    /// The vector of `find`.
    package func direction(of states: PairedStates, options: DirectionOptions = DirectionOptions())
        throws(StatesError) -> [Double]
    {
        try find(in: states, options: options).vector
    }

    /// Finds the direction from the negative to the positive side.
    ///
    /// - Throws: `StatesError` for states that are not finite, or too few for the method.
    /// - Precondition: `LinearAlgebra.load()` succeeds if the method needs it.
    package func find(in states: PairedStates, options: DirectionOptions = DirectionOptions())
        throws(StatesError) -> FoundDirection
    {
        try states.requireFinite()
        let differences = states.differences
        guard differences.values.contains(where: { $0 != 0 }) else {
            return FoundDirection(vector: [Double](repeating: 0, count: states.width), spectrum: nil)
        }
        switch self {
        case .meanDifference:
            return FoundDirection(vector: normalized(differences.columnMeans), spectrum: nil)
        case .pca:
            return FoundDirection(vector: try Self.principalDirection(of: differences), spectrum: nil)
        case .probe, .rfm:
            let chosen = states.spread(options.maximumPairCount)
            let rows = chosen.rows
            let reading = try readingDirection(rows: rows, labels: chosen.labels, options: options)
            guard options.usesPattern else { return reading }
            let pattern = patternTransform(reading.vector, of: rows, shrinkage: options.patternShrinkage)
            return FoundDirection(vector: normalized(pattern), spectrum: reading.spectrum)
        }
    }

    private func readingDirection(rows: Matrix, labels: [Double], options: DirectionOptions)
        throws(StatesError) -> FoundDirection
    {
        if self == .probe {
            let probe = try LogisticProbe(rows: rows, labels: labels, options: options.probe)
            return FoundDirection(vector: normalized(probe.weights), spectrum: nil)
        }
        let machine = try RecursiveFeatureMachine(rows: rows, labels: labels, options: options.machine)
        let feature = try machine.feature()
        return FoundDirection(vector: feature.direction, spectrum: feature.spectrum)
    }

    private static func principalDirection(of differences: Matrix) throws(StatesError) -> [Double] {
        let component = try PrincipalComponents(of: differences, count: 1, centred: false).components.values
        // The sign of an eigenvector is arbitrary; choose the one that most pairs agree with.
        let agreeing = product(differences, component).count { $0 > 0 }
        return agreeing * 2 >= differences.rows ? component : component.map { -$0 }
    }
}
