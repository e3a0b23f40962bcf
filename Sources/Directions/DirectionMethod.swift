// SPDX-License-Identifier: Apache-2.0
// From contrasted activations to one direction. Matrices and labels in, vectors out; no model is known here.

import LinearAlgebra

/// How a direction is found.
package enum DirectionMethod: String, Sendable, CaseIterable {
    /// Difference of the means of both sides (CAA, arXiv 2312.06681).
    case meanDifference = "mean-difference"
    /// First principal component of the pairs' differences, not centred (RepE, arXiv 2310.01405).
    case pca
    /// Weights of logistic regression (ITI, arXiv 2306.03341).
    case probe
    /// Leading feature of a Recursive Feature Machine (arXiv 2502.03708).
    case rfm
}

/// Settings of all methods.
package struct DirectionOptions: Sendable {
    package var machine = RecursiveFeatureMachine.Options()
    package var probe = LogisticProbe.Options()
    /// More pairs than this are thinned out evenly for `probe` and `rfm`, whose work grows with their square and cube.
    package var maximumPairCount = 256
    /// Turns the directions of `probe` and `rfm`, which read, into the patterns that go with them.
    package var usesPattern = false
    /// Of the covariance that the pattern is made with.
    package var patternShrinkage = 0.1

    package init() {}
}

/// A direction with what its method knows about it.
package struct FoundDirection: Sendable {
    /// Unit vector [width] from the negative to the positive side; zeros where both are equal in every pair.
    package let vector: [Double]
    /// Of `rfm` alone.
    package let spectrum: RecursiveFeatureMachine.Spectrum?
}

extension DirectionMethod {
    /// Whether OpenBLAS is needed; means need none.
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
    /// - Precondition: `LinearAlgebra.load()` succeeds, if the method needs it.
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
        // An eigenvector has no sign; most pairs should agree with it.
        let agreeing = product(differences, component).count { $0 > 0 }
        return agreeing * 2 >= differences.rows ? component : component.map { -$0 }
    }
}
