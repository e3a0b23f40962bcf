// SPDX-License-Identifier: Apache-2.0
// What LoRA (arXiv 2106.09685) adds to a matrix: scale · B · A, computed row by row from the adapter's file, so that no product is
// ever held in memory.

import Formats
import Quantization

/// A low-rank update of a matrix [rows × columns].
struct LowRankUpdate: Sendable {
    /// A or B, as stored.
    struct Factor: Sendable {
        let name: String
        let type: GGMLType
        let rows: Int
        let columns: Int
        let bytes: ByteView

        /// - Parameter output: [columns], written.
        func read(row: Int, into output: UnsafeMutablePointer<Float>) {
            guard let stride = type.byteCount(elements: columns), let base = bytes.bytes.baseAddress else {
                preconditionFailure("LowRankUpdate: \(name) is not whole")
            }
            type.dequantize(base + row * stride, count: columns, into: output)
        }
    }

    /// A [rank × columns].
    let a: Factor
    /// B [rows × rank].
    let b: Factor
    let scale: Float
    /// The row of B that belongs to row 0, where the adapter has several matrices as one.
    var firstRow = 0
    /// Head size of rows of B that interleave RoPE's pairs.
    var interleavedHeadSize: Int?

    var rank: Int { a.rows }

    /// Adds one row of the update.
    ///
    /// - Parameters:
    ///   - row: of the file's matrix, whose heads have halves.
    ///   - output: [columns], changed.
    func add(row: Int, to output: UnsafeMutablePointer<Float>) {
        let (columns, rank) = (a.columns, rank)
        let row = firstRow + (interleavedHeadSize.map { interleavedRow(row, headSize: $0) } ?? row)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rank + 2 * columns) { buffer in
            buffer.initialize(repeating: 0)
            guard let weights = buffer.baseAddress else { return }
            let (factor, sum) = (weights + rank, weights + rank + columns)
            b.read(row: row, into: weights)
            for index in 0..<rank {
                a.read(row: index, into: factor)
                let weight = weights[index]
                for column in 0..<columns { sum[column] += weight * factor[column] }
            }
            for column in 0..<columns { output[column] += scale * sum[column] }
        }
    }
}

/// The row in llama.cpp's order of a row whose head has halves: (i, i + headSize/2) are adjacent there.
func interleavedRow(_ row: Int, headSize: Int) -> Int {
    let (head, index) = row.quotientAndRemainder(dividingBy: headSize)
    let (half, pair) = index.quotientAndRemainder(dividingBy: headSize / 2)
    return head * headSize + 2 * pair + half
}
