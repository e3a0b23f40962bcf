// SPDX-License-Identifier: Apache-2.0
// How well one layer of a model represents a concept, measured on held-out pairs.

import Directions
import Evaluation
import LinearAlgebra

/// Held-out scores along the direction of a Recursive Feature Machine, cross-validated by pair. Both sides of a pair are
/// in the same fold; otherwise the machine would recognize the pair rather than the concept.
package struct LayerProbe: Sendable {
    package struct Options: Sendable {
        package var foldCount = 3
        package var machine = RecursiveFeatureMachine.Options()
        /// More pairs are thinned evenly.
        package var maximumPairCount = 256
        package var resampleCount = 1000
        /// Splits pairs into folds and draws resamples. Probes with the same seed and number of pairs have the same folds
        /// and resamples, so they can be compared pair by pair.
        package var seed: UInt64 = 0

        package init() {}

        /// The least number of pairs: two per fold.
        package var leastPairCount: Int { 2 * foldCount }
    }

    package let layer: Int
    /// Held-out area under the ROC curve, the mean over folds.
    package let auc: Double
    /// 95 % bootstrap interval over pairs.
    package let interval: ClosedRange<Double>

    let folds: PairFolds
    /// Scores of the held-out pairs of each fold, positive and negative sides alternating.
    private let ranked: [RankedScores]

    /// - Throws: `StatesError` for states that are not finite or do not vary, or for too few pairs.
    package init(layer: Int, states: PairedStates, options: Options = Options()) throws(StatesError) {
        try states.requireFinite()
        let states = states.spread(options.maximumPairCount)
        guard states.pairCount >= options.leastPairCount else {
            throw .tooFewPairs(found: states.pairCount, expected: options.leastPairCount)
        }
        let folds = PairFolds(
            pairCount: states.pairCount, foldCount: options.foldCount, resampleCount: options.resampleCount,
            seed: options.seed)
        var scores: [RankedScores] = []
        for fold in folds.pairs.indices {
            let others = folds.pairs.indices.filter { $0 != fold }.flatMap { folds.pairs[$0] }.sorted()
            let (fitted, tested) = (states.selecting(others), states.selecting(folds.pairs[fold]))
            let machine = try RecursiveFeatureMachine(
                rows: fitted.rows, labels: fitted.labels, options: options.machine)
            // Scores use the direction, since it is what steers. It also separates better than the predictor, which
            // overfits single rows after some iterations.
            let direction = try machine.feature().direction
            let read = product(machine.preparation.apply(to: tested.rows), direction)
            scores.append(RankedScores(read, labels: tested.labels))
        }
        self.layer = layer
        let ranked = scores
        self.folds = folds
        self.ranked = ranked
        auc = folds.mean(Self.areas(ranked, folds.plainWeights))
        interval = middle(of: folds.resamples.map { folds.mean(Self.areas(ranked, $0)) })
    }

    /// Areas per fold.
    ///
    /// - Parameter weights: how often each pair of each fold counts.
    func areas(_ weights: [[Double]]) -> [Double] { Self.areas(ranked, weights) }

    private static func areas(_ ranked: [RankedScores], _ weights: [[Double]]) -> [Double] {
        zip(ranked, weights).map { scores, pairs in scores.area(weights: pairs.flatMap { [$0, $0] }) }
    }
}

/// Folds of pairs, and resamples of the pairs within each fold.
struct PairFolds: Sendable {
    /// Pairs of each fold, ascending.
    let pairs: [[Int]]
    /// How often each pair of each fold counts, [resample][fold][pair].
    let resamples: [[[Double]]]

    /// - Precondition: every fold has a pair.
    init(pairCount: Int, foldCount: Int, resampleCount: Int, seed: UInt64) {
        precondition(
            foldCount > 1 && pairCount >= foldCount, "PairFolds: \(pairCount) pairs, \(foldCount) folds")
        var random = RandomStream(seed: seed)
        let shuffled = random.nextPermutation(of: pairCount)
        let pairs = (0..<foldCount).map { fold in
            stride(from: fold, to: pairCount, by: foldCount).map { shuffled[$0] }.sorted()
        }
        self.pairs = pairs
        resamples = (0..<resampleCount).map { _ in
            pairs.map { fold in
                var counts = [Double](repeating: 0, count: fold.count)
                for _ in fold { counts[random.nextIndex(below: fold.count)] += 1 }
                return counts
            }
        }
    }

    /// Weights that count every pair once.
    var plainWeights: [[Double]] { pairs.map { [Double](repeating: 1, count: $0.count) } }

    /// The mean of figures per fold, weighted by the number of pairs.
    func mean(_ values: [Double]) -> Double {
        zip(values, pairs).reduce(0) { $0 + $1.0 * Double($1.1.count) }
            / Double(pairs.reduce(0) { $0 + $1.count })
    }
}
