// SPDX-License-Identifier: Apache-2.0
// What an alignment gives: an affine map from the expert's states to vectors of the target's width.

import Directions
import LinearAlgebra

/// f(h) = (h − expertMean) W + targetMean.
package struct Encoder: Sendable, Equatable {
    package let method: AlignmentMethod
    /// W [expert width × target width], from the expert's own units to the target's.
    package let weights: Matrix
    /// [expert width] and [target width]. A code that knows no target has mean 0 and a unit of its own.
    package let expertMean, targetMean: [Double]
    /// Units in which the target's columns are comparable [target width].
    package let targetScales: [Double]
    /// Nil for the rotated control, whose figures would be those of chance.
    package let figures: AlignmentFigures?

    package var expertWidth: Int { weights.rows }
    package var targetWidth: Int { weights.columns }

    /// States of the expert [n × expert width] as states of the target's width [n × target width].
    package func encode(_ states: Matrix) -> Matrix {
        precondition(
            states.columns == expertWidth, "Encoder: states of \(states.columns), not \(expertWidth)")
        return product(states.subtractingFromRows(expertMean), weights)
            .subtractingFromRows(targetMean.map { -$0 })
    }

    /// A displacement v of the expert's states as one of the target's: v W, not normalized.
    ///
    /// Right for what is a difference of states (mean difference, principal component, pattern). A discriminative
    /// direction is no displacement: train it on encoded states instead, or take its pattern first.
    package func carry(_ direction: [Double]) -> [Double] { product(weights, direction, transposing: true) }

    /// The control: the same code followed by a random rotation about its mean, in units in which columns are
    /// comparable. It reconstructs as well and has the same mutual information with anything, but its axes mean
    /// nothing to the target: an effect that survives it was not the expert's knowledge.
    ///
    /// - Throws: `StatesError.unsolvable`.
    package func rotated(seed: UInt64) throws(StatesError) -> Encoder {
        var random = RandomStream(seed: seed)
        let rotation = try solving { () throws(LinearAlgebraError) in
            try random.nextRotation(size: targetWidth)
        }
        let unscaled = weights.scalingColumns(targetScales.map { 1 / $0 })
        return Encoder(
            method: method, weights: product(unscaled, rotation).scalingColumns(targetScales),
            expertMean: expertMean, targetMean: targetMean, targetScales: targetScales, figures: nil)
    }
}

/// How good an alignment is on rows that it was not fitted to (cross-validated), in standardised units.
package struct AlignmentFigures: Sendable, Equatable {
    /// Share of the expert's variance that an affine decoder recovers from the code.
    package let reconstruction: Double
    /// R² of the target's states by the code: 1 at best, below 0 if worse than their mean. Nil without a target.
    package let explained: Double?
    /// Cosine of the code and the target's states, both centred: blind to scale, about 0 where the axes are unrelated.
    /// Nil without a target.
    package let agreement: Double?
    /// Penalty of ridge regression, in mean variances of the expert's columns. Nil where none is used.
    package let ridge: Double?
}
