// SPDX-License-Identifier: Apache-2.0
// The matrix of a vocabulary. Few tokens make up most of a text, so its rows may be in segments with more or fewer bits.

import KernelCore
import Platform

/// Rows [rows × columns] in segments, each a matrix with its own encoding.
package struct VocabularyMatrix: Sendable {
    package let segments: [WeightMatrix]
    package let columns: Int
    /// The first row of each segment, followed by the number of rows.
    let firstRows: [Int]

    /// - Precondition: at least one segment; all have the same columns and the same input form; all but the last
    ///   have whole tiles.
    package init(_ segments: [WeightMatrix]) {
        guard let first = segments.first else { preconditionFailure("VocabularyMatrix: no segment") }
        precondition(
            segments.allSatisfy { $0.columns == first.columns && $0.inputForm == first.inputForm },
            "VocabularyMatrix: segments of different columns or forms")
        precondition(
            segments.dropLast().allSatisfy { $0.rows % laneCount == 0 },
            "VocabularyMatrix: a segment cuts a tile")
        self.segments = segments
        columns = first.columns
        var firstRows = [0]
        for segment in segments { firstRows.append(firstRows[firstRows.count - 1] + segment.rows) }
        self.firstRows = firstRows
    }

    package var rows: Int { firstRows[segments.count] }
    package var byteCount: Int { segments.reduce(0) { $0 + $1.byteCount } }
    /// The form of its input that a product with it reads.
    package var inputForm: ActivationForm { segments[0].inputForm }

    /// output[c] = scale · w[row, c].
    func copyRow(_ row: Int, scale: Float, into output: UnsafeMutablePointer<Float>) {
        var (low, high) = (0, segments.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if firstRows[middle] <= row { low = middle } else { high = middle }
        }
        segments[low].copyRow(row - firstRows[low], scale: scale, into: output)
    }
}

extension Compute {
    /// hidden[t, c] = scale · table[tokens[t], c].
    ///
    /// - tokens: row numbers, each in 0..<table.rows.
    /// - hidden: [tokens.count × table.columns]
    package func embed(
        _ tokens: UnsafeBufferPointer<Int32>, from table: VocabularyMatrix, scale: Float,
        into hidden: AlignedBuffer<Float>
    ) {
        check(hidden, holds: tokens.count, by: table.columns, "embed")
        for token in tokens {
            precondition(
                token >= 0 && Int(token) < table.rows, "embed: token \(token) is not in the vocabulary")
        }
        split(tokens.count, elementCount: tokens.count * table.columns * 4) { part in
            for t in part {
                table.copyRow(
                    Int(tokens[t]), scale: scale, into: hidden.baseAddress + t * table.columns)
            }
        }
    }

    /// output[t, r] = Σ_c table[r, c] · x[t, c].
    ///
    /// - x: [tokenCount × columns], in the form that the table reads; the output may not alias it.
    /// - output: [tokenCount × rows]
    package func multiply(
        _ table: VocabularyMatrix, by x: Activations, tokenCount: Int, into output: AlignedBuffer<Float>
    ) {
        precondition(
            table.columns == x.columns,
            "multiply: a table of \(table.columns) columns cannot read \(x.columns) activations")
        precondition(tokenCount >= 0 && tokenCount <= x.capacity, "multiply: more tokens than activations")
        check(output, holds: tokenCount, by: table.rows, "multiply")
        // Threads get equal bytes rather than equal rows: reading bytes takes most of the time.
        let unit = 64
        let work = table.rows * x.columns * max(tokenCount, 1) / 4
        split((table.byteCount + unit - 1) / unit, elementCount: work) { part in
            var start = 0
            for (segment, firstRow) in zip(table.segments, table.firstRows) {
                let tiles = segment.tiles(
                    startingIn: part.lowerBound * unit - start..<part.upperBound * unit - start)
                start += segment.byteCount
                guard !tiles.isEmpty else { continue }
                multiply(
                    segment, x, 0..<tokenCount, tiles, into: output.baseAddress + firstRow, stride: table.rows
                )
            }
        }
    }
}

extension WeightMatrix {
    /// The tiles whose first byte, counted from the first tile, is in a range that may extend beyond both ends.
    fileprivate func tiles(startingIn bytes: Range<Int>) -> Range<Int> {
        func tile(_ byte: Int) -> Int {
            min((max(byte, 0) + tileByteCount - 1) / tileByteCount, tileCount)
        }
        return tile(bytes.lowerBound)..<tile(bytes.upperBound)
    }
}
