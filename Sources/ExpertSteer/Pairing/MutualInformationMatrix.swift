// SPDX-License-Identifier: Apache-2.0
// Mutual information between every layer of an expert and every layer of a target, over the same texts.
//
// The estimator is our choice. Mutual information is invariant under invertible maps of either side, so states need no
// alignment first: a lossless encoder would change nothing.

import Directions
import LinearAlgebra

package struct MutualInformationOptions: Sendable {
    /// Principal components of each layer.
    package var components = 24
    /// Number of random pairings of texts, whose mean information is the chance level.
    package var permutations = 20
    /// Number of bootstrap samples of the texts on which choices are repeated.
    package var bootstraps = 30
    /// k of the nearest-neighbour estimator.
    package var neighbours = 4
    /// α of the shrunk covariance; nil takes the weight of one text.
    package var shrinkage: Double?
    package var seed: UInt64 = 0

    package init() {}
}

package struct MutualInformationMatrix: Sendable {
    /// Mutual information of jointly normal vectors in nats, less the chance level, [expert layers × target layers].
    package let gaussian: Matrix
    /// Mean information of the same texts in random pairings.
    package let chance: Matrix
    /// A check without a distributional assumption: the nearest-neighbour estimator on the first canonical variates,
    /// whose directions come from the other half of the texts.
    package let nearestNeighbours: Matrix
    /// Spearman's correlation between both estimators over all pairs of layers.
    package let rankCorrelation: Double
    /// As `gaussian`, but including the chance level, on each bootstrap sample.
    package let resampled: [Matrix]

    /// - Throws: `StatesError.unsolvable`.
    /// - Precondition: both sides have layers, all with the same number of rows.
    package init(
        expert: [LayerScores], target: [LayerScores], options: MutualInformationOptions = .init(),
        threadCount: Int = 1
    ) throws(StatesError) {
        guard let rowCount = expert.first?.rowCount, !target.isEmpty else {
            preconditionFailure("MutualInformationMatrix: no layers")
        }
        precondition(
            (expert + target).allSatisfy { $0.rowCount == rowCount }, "MutualInformationMatrix: other texts")
        let work = LayerComparison(
            expert: expert.map(\.values), target: target.map(\.values), rowCount: rowCount, options: options)
        let (information, chance) = try work.informationAndChance(threadCount: threadCount)
        self.chance = chance
        let corrected = Matrix(
            rows: expert.count, columns: target.count,
            values: zip(information.values, chance.values).map { $0 - $1 })
        gaussian = corrected
        let neighbours = try work.nearestNeighbours(threadCount: threadCount)
        nearestNeighbours = neighbours
        rankCorrelation = ExpertSteer.rankCorrelation(corrected.values, neighbours.values)
        resampled = try work.resampled(threadCount: threadCount)
    }
}

/// The estimates for all pairs of layers.
struct LayerComparison {
    /// [n × components], uncorrelated with variance 1.
    let expert, target: [Matrix]
    let rowCount: Int
    let options: MutualInformationOptions

    private var shrinkage: Double { options.shrinkage ?? unitInformation(rowCount: rowCount) }

    // An independent random stream per use.
    private func permutation(_ index: Int) -> [Int] {
        var random = RandomStream(seed: options.seed, part: index)
        return random.nextPermutation(of: rowCount)
    }
    private func sample(_ index: Int) -> [Int] {
        var random = RandomStream(seed: options.seed, part: options.permutations + 1 + index)
        return (0..<rowCount).map { _ in random.nextIndex(below: rowCount) }
    }

    /// [expert × target] each; expert layers are spread over threads.
    func informationAndChance(threadCount: Int) throws(StatesError) -> (Matrix, Matrix) {
        // One product for all layers of the target: the overhead of small products exceeds their arithmetic.
        let joined =
            [joinedColumns(target)]
            + (0..<options.permutations).map { index in
                joinedColumns(target).selectingRows(permutation(index))
            }
        let rows = try parallelMap(expert.count, threadCount: threadCount) { layer throws(StatesError) in
            var found: [Double] = [], chance = [Double](repeating: 0, count: target.count)
            for (index, others) in joined.enumerated() {
                let information = try information(crossCorrelation(expert[layer], others), widths: target)
                if index == 0 {
                    found = information
                } else {
                    for column in chance.indices {
                        chance[column] += information[column] / Double(options.permutations)
                    }
                }
            }
            return (found, chance)
        }
        let size = (rows: expert.count, columns: target.count)
        return (
            Matrix(rows: size.rows, columns: size.columns, values: rows.flatMap(\.0)),
            Matrix(rows: size.rows, columns: size.columns, values: rows.flatMap(\.1))
        )
    }

    /// One matrix per bootstrap sample.
    func resampled(threadCount: Int) throws(StatesError) -> [Matrix] {
        try parallelMap(options.bootstraps, threadCount: threadCount) { index throws(StatesError) in
            let rows = sample(index)
            let expert = try whitened(expert, rows: rows), target = try whitened(target, rows: rows)
            let joined = joinedColumns(target)
            var values: [Double] = []
            for layer in expert { values += try information(crossCorrelation(layer, joined), widths: target) }
            return Matrix(rows: expert.count, columns: target.count, values: values)
        }
    }

    private func whitened(_ layers: [Matrix], rows: [Int]) throws(StatesError) -> [Matrix] {
        var result: [Matrix] = []
        for layer in layers {
            let selected = layer.selectingRows(rows)
            result.append(try Whitening(selected).apply(to: selected))
        }
        return result
    }

    /// Information between one expert layer and each target layer, whose columns are concatenated in `cross`.
    private func information(_ cross: Matrix, widths layers: [Matrix]) throws(StatesError) -> [Double] {
        var result: [Double] = [], first = 0
        for layer in layers {
            let part = cross.columns(first..<first + layer.columns)
            result.append(try gaussianInformation(cross: part, shrinkage: shrinkage))
            first += layer.columns
        }
        return result
    }

    /// The check: canonical directions from one half of the texts, their variates on the other half, both ways.
    func nearestNeighbours(threadCount: Int) throws(StatesError) -> Matrix {
        let order = permutation(-1)
        let halves = [Array(order[..<(rowCount / 2)]).sorted(), Array(order[(rowCount / 2)...]).sorted()]
        var experts: [SplitLayer] = [], targets: [SplitLayer] = []
        for layer in expert { experts.append(try SplitLayer(layer, halves)) }
        for layer in target { targets.append(try SplitLayer(layer, halves)) }
        let rows = try parallelMap(expert.count, threadCount: threadCount) { layer throws(StatesError) in
            var values: [Double] = []
            for other in targets {
                var sum = 0.0
                for half in 0..<2 {
                    let (a, b) = try experts[layer].firstVariates(with: other, fittedTo: half)
                    sum += neighbourInformation(a, b, neighbours: options.neighbours)
                }
                values.append(sum / 2)
            }
            return values
        }
        return Matrix(rows: expert.count, columns: target.count, values: rows.flatMap { $0 })
    }
}

/// A layer's scores in two halves of the texts, each whitened by itself and by the other.
private struct SplitLayer {
    /// Index: the half that the whitening is fitted to.
    let fitted, tested: [Matrix]

    init(_ layer: Matrix, _ halves: [[Int]]) throws(StatesError) {
        let parts = halves.map { layer.selectingRows($0) }
        var fitted: [Matrix] = [], tested: [Matrix] = []
        for half in 0..<2 {
            let whitening = try Whitening(parts[half])
            fitted.append(whitening.apply(to: parts[half]))
            tested.append(whitening.apply(to: parts[1 - half]))
        }
        (self.fitted, self.tested) = (fitted, tested)
    }

    func firstVariates(with other: SplitLayer, fittedTo half: Int) throws(StatesError) -> ([Double], [Double])
    {
        let cross = crossCorrelation(fitted[half], other.fitted[half])
        let parts = try solving { () throws(LinearAlgebraError) in try SingularValues(of: cross) }
        return (
            product(tested[half], parts.left.column(0)),
            product(other.tested[half], Array(parts.rightTransposed.row(0)))
        )
    }
}

/// Concatenates the columns of matrices with the same number of rows.
private func joinedColumns(_ parts: [Matrix]) -> Matrix {
    guard let rows = parts.first?.rows else { return Matrix(rows: 0, columns: 0) }
    var values: [Double] = []
    for row in 0..<rows { for part in parts { values += part.row(row) } }
    return Matrix(rows: rows, columns: parts.reduce(0) { $0 + $1.columns }, values: values)
}

extension Matrix {
    fileprivate func columns(_ range: Range<Int>) -> Matrix {
        var selected: [Double] = []
        for index in 0..<rows {
            selected += values[index * columns + range.lowerBound..<index * columns + range.upperBound]
        }
        return Matrix(rows: rows, columns: range.count, values: selected)
    }
}
