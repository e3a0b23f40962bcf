// SPDX-License-Identifier: Apache-2.0
// The result of an alignment: an affine map from the expert's states to vectors of the target's width.

import Directions
import LinearAlgebra

/// f(h) = (h − expertMean) W + targetMean.
package struct Encoder: Sendable, Equatable {
    package let method: AlignmentMethod
    /// W [expert width × target width], from the expert's original units to the target's.
    package let weights: Matrix
    /// [expert width] and [target width]. A code that is fitted without the target has mean 0 and its own unit.
    package let expertMean, targetMean: [Double]
    /// Scales that make the target's columns comparable [target width].
    package let targetScales: [Double]
    /// Nil for the rotated control, whose figures would be at chance level.
    package let figures: AlignmentFigures?

    package var expertWidth: Int { weights.rows }
    package var targetWidth: Int { weights.columns }

    /// Maps states of the expert [n × expert width] to the target's width [n × target width].
    package func encode(_ states: Matrix) -> Matrix {
        precondition(
            states.columns == expertWidth, "Encoder: states of \(states.columns), not \(expertWidth)")
        return product(states.subtractingFromRows(expertMean), weights)
            .subtractingFromRows(targetMean.map { -$0 })
    }

    /// The control: the same code, randomly rotated about its mean in units that make columns comparable. It reconstructs
    /// as well and has the same mutual information with anything, but its axes are meaningless to the target. So an
    /// effect that survives the rotation does not come from the expert's knowledge.
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

/// The quality of an alignment on held-out rows (cross-validated), in standardised units.
package struct AlignmentFigures: Sendable, Equatable {
    /// Share of the expert's variance that an affine decoder recovers from the code.
    package let reconstruction: Double
    /// R² of the target's states, predicted by the code: at most 1, below 0 if worse than their mean. Nil without a target.
    package let explained: Double?
    /// Cosine of the code and the target's states, both centred: independent of scale, about 0 for unrelated axes. Nil
    /// without a target.
    package let agreement: Double?
    /// Penalty of ridge regression, in units of the mean variance of the expert's columns. Nil for methods without one.
    package let ridge: Double?
}
