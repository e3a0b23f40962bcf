// SPDX-License-Identifier: Apache-2.0
// From the states of a pair of layers to a direction of the target, by mapping the expert's states or by the expert's scores.

import Directions
import LinearAlgebra

/// A direction for one target layer.
package struct ExpertDirection: Sendable {
    package let pair: LayerPair
    /// Unit vector of the target's width; zeros where no direction was found.
    package let vector: [Double]
    /// Held-out figures of the map; nil for expert-score.
    var figures: AlignmentFigures?
    /// Spectrum of the Recursive Feature Machine on encoded states.
    var spectrum: RecursiveFeatureMachine.Spectrum?
    /// For expert-score: held-out correlation between the scores and the target's states along the direction.
    var correlation: Double?
    /// The control: the direction from the randomly rotated code. If it steers as well, the effect does not come from the
    /// expert's knowledge.
    var rotated: [Double]?
}

/// Fits directions.
package struct ExpertDirectionFit {
    let states: SharedStates
    let options: ExpertOptions
    let threadCount: Int

    package init(states: SharedStates, options: ExpertOptions, threadCount: Int) {
        self.states = states
        self.options = options
        self.threadCount = threadCount
    }

    /// Directions for pairs of layers, in their order.
    ///
    /// - Parameters:
    ///   - part: the half of the pairs to fit; nil takes all.
    ///   - progress: called with (pairs of layers done, total).
    package func directions(
        of pairs: [LayerPair], part: Int?, progress: (Int, Int) throws -> Void
    ) throws -> [ExpertDirection] {
        var scores: [Int: ExpertScores] = [:]
        let experts = Set(pairs.map(\.expert)).sorted()
        let total = pairs.count + (options.align == .expertScore ? experts.count : 0)
        if options.align == .expertScore {
            let found = try parallelMap(
                experts, threadCount: threadCount, onChunk: { try progress($0, total) }
            ) { try expertScores(layer: $0, part: part) }
            scores = Dictionary(uniqueKeysWithValues: zip(experts, found))
        }
        return try parallelMap(
            pairs, threadCount: threadCount, onChunk: { try progress(scores.count + $0, total) }
        ) { pair in
            try naming(pair) { try direction(of: pair, scores: scores[pair.expert], part: part) }
        }
    }

    private func expertScores(layer: Int, part: Int?) throws -> ExpertScores {
        let (pairs, rows) = states.rows(part: part)
        let matrix = states.expert.matrix(layer: layer).selectingRows(rows)
        return try naming(LayerPair(expert: layer, target: -1)) {
            try ExpertScores(rows: matrix, pairCount: pairs.count, vector: options.vector, seed: options.seed)
        }
    }

    private func direction(of pair: LayerPair, scores: ExpertScores?, part: Int?) throws -> ExpertDirection {
        let (pairs, rows) = states.rows(part: part)
        let target = states.target.matrix(layer: pair.target).selectingRows(rows)
        let groups = pairs.flatMap { [$0, $0] } + (0..<states.textCount).map { states.pairCount + $0 }
        guard let method = options.align.method else {
            guard let scores else {
                preconditionFailure("ExpertDirectionFit: no scores of layer \(pair.expert)")
            }
            // Features that both sides of a pair share, mainly its subject, are not part of the concept.
            let transfer = try ScoreTransfer(
                scores: centred(Matrix(rows: rows.count, columns: 1, values: scores.values), pairs.count)
                    .values,
                target: centred(target, pairs.count), groups: groups, seed: options.seed)
            return ExpertDirection(
                pair: pair, vector: normalized(transfer.direction), correlation: transfer.correlation)
        }
        let expert = states.expert.matrix(layer: pair.expert).selectingRows(rows)
        var alignment = AlignmentOptions()
        alignment.groups = groups
        alignment.seed = options.seed
        let encoder = try Alignment.fit(method, expert: expert, target: target, options: alignment)
        let found = try vector(encoder, expert, pairs.count)
        var direction = ExpertDirection(pair: pair, vector: found.vector, figures: encoder.figures)
        direction.spectrum = found.spectrum
        guard options.fitsRotated else { return direction }
        let seed = options.seed &+ 1 &+ UInt64(pair.target)
        direction.rotated = try vector(encoder.rotated(seed: seed), expert, pairs.count).vector
        return direction
    }

    /// The direction from the encoded expert states.
    private func vector(_ encoder: Encoder, _ expert: Matrix, _ pairCount: Int) throws -> FoundDirection {
        let rows = expert.selectingRows(Array(0..<2 * pairCount))
        return try options.vector.find(in: PairedStates(rows: encoder.encode(rows), pairCount: pairCount))
    }

    /// Subtracts the mean of the pair from its rows, and the mean of all texts from texts.
    private func centred(_ rows: Matrix, _ pairCount: Int) -> Matrix {
        var result = rows
        let textCount = rows.rows - 2 * pairCount
        for column in 0..<rows.columns {
            for pair in 0..<pairCount {
                let mean = (rows[2 * pair, column] + rows[2 * pair + 1, column]) / 2
                result[2 * pair, column] -= mean
                result[2 * pair + 1, column] -= mean
            }
            guard textCount > 0 else { continue }
            var sum = 0.0
            for row in 2 * pairCount..<rows.rows { sum += rows[row, column] }
            for row in 2 * pairCount..<rows.rows { result[row, column] -= sum / Double(textCount) }
        }
        return result
    }

    /// Adds the layers to an error.
    private func naming<Value>(_ pair: LayerPair, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as StatesError {
            throw ExpertTrainingError.states(
                "expert layer \(pair.expert)" + (pair.target >= 0 ? ", target layer \(pair.target)" : ""),
                error)
        }
    }
}
