// SPDX-License-Identifier: Apache-2.0
// States of contrastive pairs, from which a direction is learned. Features that both sides of a pair share cancel, and a
// pair is never split between fitting and testing.

import LinearAlgebra

/// Paired states of one layer: row i of both matrices comes from the same pair of texts.
package struct PairedStates: Sendable {
    /// [pairCount × width].
    package let positive, negative: Matrix

    /// - Precondition: both matrices have the same shape, and at least one row.
    package init(positive: Matrix, negative: Matrix) {
        precondition(positive.rows > 0 && positive.columns > 0, "PairedStates: no pairs")
        precondition(
            positive.rows == negative.rows && positive.columns == negative.columns,
            "PairedStates: \(positive.rows) × \(positive.columns) and \(negative.rows) × \(negative.columns)")
        self.positive = positive
        self.negative = negative
    }

    package var pairCount: Int { positive.rows }
    package var width: Int { positive.columns }

    /// The same pairs with their sides swapped.
    package var reversed: PairedStates { PairedStates(positive: negative, negative: positive) }

    /// positive − negative, [pairCount × width].
    package var differences: Matrix {
        var result = positive
        for index in result.values.indices { result.values[index] -= negative.values[index] }
        return result
    }

    /// Both sides, interleaved, [2 · pairCount × width]: positive 0, negative 0, positive 1 and so on.
    package var rows: Matrix {
        var values: [Double] = []
        values.reserveCapacity(2 * positive.values.count)
        for index in 0..<pairCount {
            values += positive.row(index)
            values += negative.row(index)
        }
        return Matrix(rows: 2 * pairCount, columns: width, values: values)
    }

    /// 1 and −1 alternating, in the order of `rows`.
    package var labels: [Double] { (0..<2 * pairCount).map { $0 % 2 == 0 ? 1 : -1 } }

    /// The given pairs in the given order.
    package func selecting(_ pairs: [Int]) -> PairedStates {
        PairedStates(positive: positive.selectingRows(pairs), negative: negative.selectingRows(pairs))
    }

    /// At most `count` pairs, spaced evenly.
    package func spread(_ count: Int) -> PairedStates {
        guard count < pairCount else { return self }
        return selecting((0..<max(count, 1)).map { $0 * pairCount / max(count, 1) })
    }

    /// - Throws: `StatesError.notFinite`; its row is the index of the pair.
    package func requireFinite() throws(StatesError) {
        try positive.requireFiniteStates()
        try negative.requireFiniteStates()
    }
}

/// x / |x|; zeros stay zeros.
package func normalized(_ x: [Double]) -> [Double] {
    let norm = dotProduct(x, x).squareRoot()
    return norm > 0 ? x.map { $0 / norm } : x
}

/// x·y / (|x| |y|); nil where either is zero.
func cosine(_ x: [Double], _ y: [Double]) -> Double? {
    let norms = (dotProduct(x, x) * dotProduct(y, y)).squareRoot()
    return norms > 0 ? dotProduct(x, y) / norms : nil
}
