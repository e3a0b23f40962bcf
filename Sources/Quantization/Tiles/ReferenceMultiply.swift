// SPDX-License-Identifier: Apache-2.0
// The reference product for kernel tests: plain, in Double.

/// Reference products of tiled matrices.
package enum ReferenceMultiply {
    /// output[r] = Σ_c ŵ[r, c] · x[c] and magnitude[r] = Σ_c |ŵ[r, c] · x[c]|, accumulated in Double.
    ///
    /// Rounding bounds are multiples of the second sum.
    ///
    /// - Parameters:
    ///   - tiles: The matrix [rowCount × columns] in this encoding, `byteCount(rows:columns:)` bytes.
    ///   - rowCount: Rows of the matrix.
    ///   - columns: Columns of the matrix.
    ///   - encoding: Not `vector`.
    ///   - x: [columns].
    /// - Returns: [rowCount] each.
    /// - Precondition: the encoding is stored in tiles and accepts `columns`.
    package static func multiply(
        tiles: UnsafeRawPointer, rowCount: Int, columns: Int, encoding: TensorEncoding,
        x: UnsafePointer<Float>
    ) -> (output: [Double], magnitude: [Double]) {
        guard let tileByteCount = encoding.tileByteCount(columns: columns), rowCount >= 0 else {
            preconditionFailure("ReferenceMultiply: \(encoding) with \(rowCount) × \(columns)")
        }
        var output = [Double](repeating: 0, count: rowCount)
        var magnitude = output
        withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { buffer in
            guard let decoded = buffer.baseAddress else { return }
            for row in 0..<rowCount {
                TileCodec.decodeRow(
                    row % TensorEncoding.tileRows,
                    tile: tiles + row / TensorEncoding.tileRows * tileByteCount,
                    columns: columns, encoding: encoding, into: decoded)
                for column in 0..<columns {
                    let product = Double(decoded[column]) * Double(x[column])
                    output[row] += product
                    magnitude[row] += abs(product)
                }
            }
        }
        return (output, magnitude)
    }
}
