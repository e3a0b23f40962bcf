// SPDX-License-Identifier: Apache-2.0
// Alignments: affine maps from an expert's states to a target's, for any two widths. All are fitted to standardised
// states X of the expert and T of the target. Their offsets map mean to mean, which is optimal for every loss below.

import Directions
import LinearAlgebra

/// The method that finds the map.
package enum AlignmentMethod: String, CaseIterable, Sendable {
    /// Auto-encoder: ‖X − X W U‖² alone, as published (arXiv 2505.12313). For any invertible A, (W A, A⁻¹ U) has the same
    /// loss, so the axes of the code are arbitrary.
    case autoencoder
    /// Anchored auto-encoder: ‖X − X W U‖² + λ ‖X W − T‖² ties the code to the target's axes.
    case anchored
    /// ‖X W − T‖² + ρ ‖W‖².
    case ridge
    /// ‖s X R − T‖² with an orthogonal R and, optionally, one factor s; it preserves angles and ratios of lengths.
    case procrustes

    var needsTarget: Bool { self != .autoencoder }
    var usesRidge: Bool { self == .anchored || self == .ridge }
}

/// The minimization of the auto-encoders' losses.
package enum AlignmentSolver: Sendable, Equatable {
    case closedForm
    /// L-BFGS from a random start. It reaches the same loss; where the loss leaves the code's axes free, they depend on
    /// the seed. Much slower: it shows that no result depends on the closed form.
    case gradient(iterations: Int)
}

package struct AlignmentOptions: Sendable {
    package var standardisation = Standardization.massive
    /// λ of `.anchored`, where both losses are mean squares of standardised rows. 0 gives the published auto-encoder,
    /// infinity ridge regression.
    package var anchor = 1.0
    /// ρ in units of the mean variance of the expert's columns; nil chooses from `Alignment.ridgeGrid` by
    /// cross-validation.
    package var ridge: Double?
    /// Whether `.procrustes` has a factor s.
    package var isScaled = true
    /// Solver for `.autoencoder` and `.anchored`.
    package var solver = AlignmentSolver.closedForm
    /// Rows with equal numbers, such as the two sides of a pair, are never on both sides of a split; nil splits every row alone.
    package var groups: [Int]?
    package var foldCount = 5
    package var seed: UInt64 = 0

    package init() {}
}

package enum Alignment {
    /// The least number of rows for a map.
    package static let leastRowCount = 8
    /// Penalties for cross-validation, ascending.
    package static let ridgeGrid: [Double] = [
        1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000,
    ]

    /// Fits a map, and evaluates it by cross-validation.
    ///
    /// - Parameters:
    ///   - expert: states of the expert [n × expert width].
    ///   - target: the target's states for the same texts [n × target width]; nil for `.autoencoder` only.
    ///   - width: the target's width, if there is no target.
    /// - Throws: `StatesError` for too few rows or groups, states that are not finite or do not vary.
    /// - Precondition: both matrices and the groups have the same number of rows; ridge and anchor are not negative.
    package static func fit(
        _ method: AlignmentMethod, expert: Matrix, target: Matrix?, width: Int? = nil,
        options: AlignmentOptions = AlignmentOptions()
    ) throws(StatesError) -> Encoder {
        guard let width = target?.columns ?? width else {
            preconditionFailure("Alignment: no target, no width")
        }
        precondition(target != nil || !method.needsTarget, "Alignment: \(method) needs a target")
        precondition(target.map { $0.rows == expert.rows } ?? true, "Alignment: rows of different texts")
        precondition(options.anchor >= 0 && options.ridge ?? 0 >= 0, "Alignment: negative weights")
        precondition(options.foldCount > 1, "Alignment: one fold is none")
        let groups = options.groups ?? Array(0..<expert.rows)
        precondition(groups.count == expert.rows, "Alignment: \(groups.count) groups for \(expert.rows) rows")
        let groupCount = Set(groups).count
        guard groupCount >= leastRowCount else {
            throw .tooFewTexts(found: groupCount, expected: leastRowCount)
        }
        try expert.requireFiniteStates()
        try target?.requireFiniteStates()

        let states = try AlignedStates(
            expert: expert, target: target, rule: options.standardisation, usesRidge: method.usesRidge)
        let folds = RowFolds(groups: groups, count: options.foldCount, seed: options.seed)
        var parts: [FoldStates] = []
        for fold in 0..<folds.count {
            parts.append(
                try FoldStates(
                    fitted: folds.others(fold), tested: folds.heldOut[fold], expert: expert, target: target,
                    rule: options.standardisation, usesRidge: method.usesRidge))
        }
        var ridge = method.usesRidge ? options.ridge : nil
        if method.usesRidge, ridge == nil { ridge = bestRidge(parts) }
        let problem = AlignmentProblem(method: method, width: width, ridge: ridge ?? 0, options: options)
        let map = try problem.solve(states)
        let figures = try measure(problem, on: parts, ridge: ridge)
        // A code that is fitted without the target does not get the target's units either.
        let targetScaling =
            method.needsTarget
            ? states.targetScaling ?? ColumnScaling(width: width) : ColumnScaling(width: width)
        let unscaled = map.scalingColumns(targetScaling.scales).transposed
        return Encoder(
            method: method,
            weights: unscaled.scalingColumns(states.expertScaling.scales.map { 1 / $0 }).transposed,
            expertMean: states.expertScaling.means, targetMean: targetScaling.means,
            targetScales: targetScaling.scales, figures: figures)
    }
}

/// Standardised states of both models for the same texts.
struct AlignedStates {
    /// X [n × expert width].
    let expert: Matrix
    /// T [n × target width].
    let target: Matrix?
    let expertScaling: ColumnScaling
    let targetScaling: ColumnScaling?
    /// The regression of T on X, for methods that use it.
    let ridge: RidgePath?

    init(expert: Matrix, target: Matrix?, rule: Standardization, usesRidge: Bool) throws(StatesError) {
        expertScaling = try ColumnScaling(of: expert, by: rule)
        self.expert = expertScaling.apply(to: expert)
        if let target {
            let scaling = try ColumnScaling(of: target, by: rule)
            targetScaling = scaling
            self.target = scaling.apply(to: target)
        } else {
            targetScaling = nil
            self.target = nil
        }
        if usesRidge, let target = self.target {
            ridge = try RidgePath(self.expert, target)
        } else {
            ridge = nil
        }
    }
}

/// A loss with all its parameters except the states.
struct AlignmentProblem {
    let method: AlignmentMethod
    /// The target's width.
    let width: Int
    /// In units of the mean variance of the expert's columns.
    let ridge: Double
    let options: AlignmentOptions

    /// W [expert width × target width], from X to T.
    func solve(_ states: AlignedStates) throws(StatesError) -> Matrix {
        switch method {
        case .autoencoder:
            return try autoencoder(states, anchor: 0)
        case .anchored:
            return try autoencoder(states, anchor: options.anchor)
        case .ridge:
            guard let path = states.ridge else { preconditionFailure("Alignment: ridge needs a target") }
            return path.weights(ridge: ridge)
        case .procrustes:
            guard let target = states.target else {
                preconditionFailure("Alignment: procrustes needs a target")
            }
            return try procrustes(states.expert, target, isScaled: options.isScaled)
        }
    }
}
