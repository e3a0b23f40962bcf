// SPDX-License-Identifier: Apache-2.0
// Chooses a gate's threshold: halfway between the mean projections of the two sides of pairs.

import Evaluation
import Formats
import LinearAlgebra
import Steering
import Tiller

/// A gate's threshold, with its accuracy.
package struct GateThreshold: Sendable {
    package let comparison: SteeringProfile.Gate.Comparison
    /// In units of the layer's residual RMS.
    package let threshold: Float
    /// Mean projections of the two sides, in the same units.
    package let positiveMean, negativeMean: Double
    /// Share of the sides that the threshold classifies correctly.
    package let accuracy: Double

    /// Finds the threshold that opens the gate for the positive sides of pairs.
    ///
    /// - Parameters:
    ///   - direction: the gate's vector, of unit norm [hiddenSize].
    ///   - rms: the layer's residual RMS, by which the gate divides.
    /// - Throws: `TillerError.invalidOption` for pairs without tokens, or pairs whose sides do not differ.
    package static func measure(
        _ pairs: [ContrastivePair], engine: Engine, layer: Int, direction: [Float], rms: Float,
        progress: (Int, Int) -> Void
    ) throws(TillerError) -> GateThreshold {
        let set = try TrainingSet(
            pairs, maximumCount: 256, engine: engine, limit: StateCapture.tokenLimit)
        let captured = try StateCapture(engine: engine, layers: [layer]).capture(set) { event in
            if case .capturing(let pair, let count) = event { progress(pair, count) }
        }
        // With fixed answers the concept is in the prompts.
        let source = captured.sources.contains(.prompts) ? StateSource.prompts : .answers
        let states = captured.pairs(source, layer: layer)
        let positive = states.positive.projections(on: direction).map { $0 / Double(rms) }
        let negative = states.negative.projections(on: direction).map { $0 / Double(rms) }
        let (high, low) = (RunningMean(positive).mean, RunningMean(negative).mean)
        guard high != low else {
            throw .invalidOption("both sides of the pairs project to the same value; no threshold fits")
        }
        let threshold = Float((high + low) / 2)
        let isAbove = high > low
        let right =
            positive.count { ($0 > Double(threshold)) == isAbove }
            + negative.count { ($0 > Double(threshold)) != isAbove }
        return GateThreshold(
            comparison: isAbove ? .above : .below, threshold: threshold, positiveMean: high,
            negativeMean: low, accuracy: Double(right) / Double(positive.count + negative.count))
    }
}

extension Matrix {
    /// v·row for each row.
    fileprivate func projections(on vector: [Float]) -> [Double] {
        (0..<rows).map { zip(row($0), vector).reduce(0.0) { $0 + $1.0 * Double($1.1) } }
    }
}
