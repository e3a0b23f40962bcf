// SPDX-License-Identifier: Apache-2.0
// States of an expert and its target over the rows that both can read. Files provide them layer by layer, so only a few
// layers are in memory at a time.

import Directions
import Formats
import LinearAlgebra
import Tiller

/// One model's states over chosen rows.
package struct ModelStates: Sendable {
    private let activations: ActivationSet
    /// Indices of the rows in the set: pairs, positive side first, then texts.
    private let rows: [Int]
    private let pairCount: Int

    fileprivate init(_ activations: ActivationSet, rows: [Int], pairCount: Int) {
        self.activations = activations
        self.rows = rows
        self.pairCount = pairCount
    }

    package var name: String { activations.header.model }
    package var sourceHash: SHA256.Digest { activations.header.sourceHash }
    package var layerCount: Int { activations.header.layerCount }
    package var width: Int { activations.header.width }
    /// Layers with states.
    package var layers: [Int] { activations.layers }

    /// The states of all rows after a layer, [rows × width].
    func matrix(layer: Int) -> Matrix {
        let (states, width) = (activations.states(layer: layer), activations.header.width)
        var matrix = Matrix(rows: rows.count, columns: width)
        matrix.values.withUnsafeMutableBufferPointer { values in
            for (index, row) in rows.enumerated() {
                for column in 0..<width {
                    values[index * width + column] = Double(states[row * width + column])
                }
            }
        }
        return matrix
    }

    /// The pairs' states after a layer.
    package func pairs(layer: Int) -> PairedStates {
        PairedStates(rows: matrix(layer: layer), pairCount: pairCount)
    }
}

extension PairedStates {
    /// - Parameter rows: positive and negative sides alternating, optionally followed by other rows.
    init(rows: Matrix, pairCount: Int) {
        self.init(
            positive: rows.selectingRows((0..<pairCount).map { 2 * $0 }),
            negative: rows.selectingRows((0..<pairCount).map { 2 * $0 + 1 }))
    }
}

/// Both models' states over the same rows.
package struct SharedStates: Sendable {
    package let target, expert: ModelStates
    package let pairCount, textCount: Int
    /// Pairs and texts that were left out because at least one model could not read them.
    package let unreadCount: Int
    /// Indices of the pairs in the reading list.
    let pairNumbers: [Int]

    /// Minimum for a concept; fewer pairs are not informative.
    package static let leastPairCount = 16

    /// Selects the rows that both models read.
    ///
    /// - Parameters:
    ///   - list: the rows to use.
    ///   - targetRows: indices of the list's rows in the target's set; likewise for the expert.
    /// - Throws: `TillerError.invalidOption` where too few rows remain.
    init(
        list: Corpus, target: ActivationSet, targetRows: [Int], expert: ActivationSet, expertRows: [Int]
    ) throws(TillerError) {
        func isRead(_ index: Int) -> Bool {
            target.tokenCounts[targetRows[index]] > 0 && expert.tokenCounts[expertRows[index]] > 0
        }
        let pairNumbers = list.pairs.indices.filter { isRead(2 * $0) && isRead(2 * $0 + 1) }
        let textRows = list.texts.indices.map { 2 * list.pairs.count + $0 }.filter(isRead)
        let rows = pairNumbers.flatMap { [2 * $0, 2 * $0 + 1] } + textRows
        guard pairNumbers.count >= Self.leastPairCount else {
            throw .invalidOption(
                "\(pairNumbers.count) pairs can be read by both models, expected at least \(Self.leastPairCount)"
                    + " with a token of their own at the position '\(target.header.position)'")
        }
        for label in [1, -1] {
            let texts = Set(pairNumbers.map { list.rows[2 * $0 + (label < 0 ? 1 : 0)].textHash })
            guard texts.count > 1 else {
                throw .invalidOption(
                    "the \(label > 0 ? "positive" : "negative") texts of all \(pairNumbers.count) pairs are "
                        + "identical; there is nothing to learn")
            }
        }
        self.pairNumbers = pairNumbers
        pairCount = pairNumbers.count
        textCount = textRows.count
        unreadCount = list.pairs.count - pairNumbers.count + list.texts.count - textRows.count
        self.target = ModelStates(target, rows: rows.map { targetRows[$0] }, pairCount: pairNumbers.count)
        self.expert = ModelStates(expert, rows: rows.map { expertRows[$0] }, pairCount: pairNumbers.count)
    }

    /// A value of every captured layer of both models, several layers at a time.
    ///
    /// - Parameter progress: called with (layers done, layers of both).
    /// - Throws: `ExpertTrainingError` that names the layer whose states have a defect.
    func mapLayers<Value: Sendable>(
        threadCount: Int, progress: (Int, Int) throws -> Void,
        _ body: (_ model: ModelStates, _ layer: Int) throws -> Value
    ) throws -> (expert: [Value], target: [Value]) {
        let all =
            expert.layers.map { (model: expert, name: "expert", layer: $0) }
            + target.layers.map { (model: target, name: "target", layer: $0) }
        let values = try parallelMap(
            all, threadCount: threadCount, onChunk: { try progress($0, all.count) }
        ) { place in
            do { return try body(place.model, place.layer) } catch let error as StatesError {
                throw ExpertTrainingError.states("\(place.name) layer \(place.layer)", error)
            }
        }
        let expertCount = expert.layers.count
        return (Array(values[..<expertCount]), Array(values[expertCount...]))
    }

    /// Rows of one half of the pairs, alternating two by two, and of all texts; nil takes all pairs.
    func rows(part: Int?) -> (pairs: [Int], all: [Int]) {
        let pairs = (0..<pairCount).filter { part == nil || $0 / 2 % 2 == part }
        return (pairs, pairs.flatMap { [2 * $0, 2 * $0 + 1] } + (0..<textCount).map { 2 * pairCount + $0 })
    }
}
