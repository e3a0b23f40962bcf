// SPDX-License-Identifier: Apache-2.0
// The expert's assessment of texts as one number each, the input of expert-score transfer.

import Directions
import LinearAlgebra

/// Scores of the expert at one layer.
struct ExpertScores: Sendable {
    /// Scores of both sides of the pairs, alternating, then of the texts. Each pair is scored by a reader that was fitted
    /// to other pairs: on its own pairs a reader would repeat the labels instead of the expert's assessment.
    let values: [Double]

    /// Number of folds of pairs.
    private static let foldCount = 5

    /// - Parameters:
    ///   - rows: the expert's states of the pairs' sides, alternating, then of texts.
    ///   - pairCount: number of pairs in the rows.
    init(rows: Matrix, pairCount: Int, vector: DirectionMethod, seed: UInt64) throws(StatesError) {
        let states = PairedStates(rows: rows, pairCount: pairCount)
        var values = [Double](repeating: 0, count: rows.rows)
        let folds = RowFolds(groups: Array(0..<pairCount), count: Self.foldCount, seed: seed)
        for fold in 0..<folds.count {
            let tested = folds.heldOut[fold].flatMap { [2 * $0, 2 * $0 + 1] }
            let reader = try Self.reader(of: states.selecting(folds.others(fold)), vector)
            for (row, score) in zip(tested, reader(rows.selectingRows(tested))) { values[row] = score }
        }
        let texts = Array(2 * pairCount..<rows.rows)
        if !texts.isEmpty {
            let reader = try Self.reader(of: states, vector)
            for (row, score) in zip(texts, reader(rows.selectingRows(texts))) { values[row] = score }
        }
        self.values = values
    }

    /// Fits a reader; its scores are about 1 for positive and −1 for negative sides.
    private static func reader(
        of states: PairedStates, _ vector: DirectionMethod
    ) throws(StatesError) -> (Matrix) -> [Double] {
        let options = DirectionOptions()
        switch vector {
        case .rfm:
            let chosen = states.spread(options.maximumPairCount)
            let machine = try RecursiveFeatureMachine(
                rows: chosen.rows, labels: chosen.labels, options: options.machine)
            return { machine.predictions(for: $0) }
        case .probe:
            let chosen = states.spread(options.maximumPairCount)
            let probe = try LogisticProbe(rows: chosen.rows, labels: chosen.labels, options: options.probe)
            return { probe.logOdds(for: $0) }
        case .pca, .meanDifference:
            let direction = try vector.direction(of: states, options: options)
            let components = product(states.rows, direction)
            let mean = components.reduce(0, +) / Double(components.count)
            let differences = (0..<states.pairCount).map { components[2 * $0] - components[2 * $0 + 1] }
            // Folds differ in scale and offset; scaling sets half the mean distance of both sides to 1.
            let scale = max(differences.reduce(0, +) / Double(2 * states.pairCount), 1e-12)
            return { product($0, direction).map { ($0 - mean) / scale } }
        }
    }
}
