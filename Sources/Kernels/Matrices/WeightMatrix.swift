// SPDX-License-Identifier: Apache-2.0
// Views of weights in the file's own layout. The owner of the mapping keeps the memory alive.

import KernelCore
import Quantization

/// A matrix [rows × columns] in tiles of 16 rows (formats/tiller.md).
package struct WeightMatrix: @unchecked Sendable {
    package let encoding: TensorEncoding
    package let rows: Int
    package let columns: Int
    /// The first tile.
    package let baseAddress: UnsafeRawPointer
    let tileByteCount: Int

    /// - Precondition: `encoding` is not `.vector`; `bytes` is exactly the matrix, on a 64-byte boundary.
    package init(encoding: TensorEncoding, rows: Int, columns: Int, bytes: UnsafeRawBufferPointer) {
        precondition(encoding != .vector, "WeightMatrix: a vector has no tiles")
        precondition(
            bytes.count == encoding.byteCount(rows: rows, columns: columns),
            "WeightMatrix: the bytes do not match the shape")
        guard let tileByteCount = encoding.tileByteCount(columns: columns), let base = bytes.baseAddress
        else {
            preconditionFailure("WeightMatrix: shape not possible in this encoding")
        }
        precondition(UInt(bitPattern: base) % 64 == 0, "WeightMatrix: tiles start on a 64-byte boundary")
        self.encoding = encoding
        self.rows = rows
        self.columns = columns
        self.baseAddress = base
        self.tileByteCount = tileByteCount
    }

    package var byteCount: Int { tileCount * tileByteCount }
    /// Tiles of 16 rows, the last one padded.
    var tileCount: Int { (rows + laneCount - 1) / laneCount }
    /// The form of its input that a product with it reads.
    package var inputForm: ActivationForm { ActivationForm(readBy: encoding) }

    /// output[c] = scale · w[row, c].
    func copyRow(_ row: Int, scale: Float, into output: UnsafeMutablePointer<Float>) {
        TileCodec.decodeRow(
            row % laneCount, tile: baseAddress + row / laneCount * tileByteCount, columns: columns,
            encoding: encoding, times: scale, into: output)
    }
}

/// Plain Float32 values: norm gains, biases.
package struct WeightVector: @unchecked Sendable {
    package let baseAddress: UnsafePointer<Float>
    package let count: Int

    /// - Precondition: whole Float32 values, on a 4-byte boundary.
    package init(bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { preconditionFailure("WeightVector: no bytes") }
        precondition(bytes.count % 4 == 0, "WeightVector: not a whole number of Float32 values")
        precondition(UInt(bitPattern: base) % 4 == 0, "WeightVector: values start on a 4-byte boundary")
        baseAddress = base.assumingMemoryBound(to: Float.self)
        count = bytes.count / 4
    }
}
