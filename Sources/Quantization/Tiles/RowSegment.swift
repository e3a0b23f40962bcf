// SPDX-License-Identifier: Apache-2.0
// Consecutive rows of a matrix in one encoding. Most matrices are one segment. A vocabulary may have many, since a few
// tokens make up most of all text.

/// Rows of a matrix that share an encoding.
package struct RowSegment: Sendable, Hashable {
    /// The range of rows; it begins at the start of a tile.
    package let rows: Range<Int>
    package let encoding: TensorEncoding

    package init(_ rows: Range<Int>, _ encoding: TensorEncoding) {
        self.rows = rows
        self.encoding = encoding
    }

    /// Tiles of 16 rows, counted from the first row of the matrix.
    package var tiles: Range<Int> {
        let size = TensorEncoding.tileRows
        return rows.lowerBound / size..<(rows.upperBound + size - 1) / size
    }

    /// Bytes of these rows; nil if the encoding cannot store them.
    package func byteCount(columns: Int) -> Int? {
        encoding.byteCount(rows: rows.count, columns: columns)
    }
}
