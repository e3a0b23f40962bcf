// SPDX-License-Identifier: Apache-2.0
// Views of weights as they lie in the file. The owner of the mapping keeps the memory alive.

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
    /// What products with it read.
    package var inputForm: ActivationForm { ActivationForm(readBy: encoding) }

    /// output[c] = scale · w[row, c].
    func copyRow(_ row: Int, scale: Float, into output: UnsafeMutablePointer<Float>) {
        let tile = baseAddress + row / laneCount * tileByteCount
        let lane = row % laneCount
        switch encoding {
        case .vector: break
        case .float32:
            for c in 0..<columns {
                output[c] = scale * tile.load(fromByteOffset: (c * laneCount + lane) * 4, as: Float.self)
            }
        case .float16:
            for c in 0..<columns {
                let half = tile.load(fromByteOffset: (c * laneCount + lane) * 2, as: UInt16.self)
                output[c] = scale * float(halfBits: half)
            }
        case .int8: copyInt8Row(tile, lane, scale, output)
        case .int5, .int4, .int3: copyAffineRow(tile, lane, scale, output)
        }
    }

    /// A number of the block of bfloat16 that a tile of integers starts with.
    private func rowFactor(_ tile: UnsafeRawPointer, _ index: Int) -> Float {
        Float16Bits.float(brain: tile.load(fromByteOffset: index * 2, as: UInt16.self))
    }

    private func copyInt8Row(
        _ tile: UnsafeRawPointer, _ lane: Int, _ scale: Float, _ output: UnsafeMutablePointer<Float>
    ) {
        let layout = TileLayout(.int8, columns: columns)
        let rowScale = scale * rowFactor(tile, lane)
        let scales = tile + layout.scaleByteOffset
        let codes = tile + layout.codeByteOffset
        for g in 0..<layout.groupCount {
            let groupScale = rowScale * Float(scales.load(fromByteOffset: g * 16 + lane, as: UInt8.self))
            for c in 0..<groupColumns {
                let q = codes.load(fromByteOffset: g * 512 + c / 4 * 64 + lane * 4 + c % 4, as: UInt8.self)
                output[g * groupColumns + c] = groupScale * Float(Int(q) - 128)
            }
        }
    }

    private func copyAffineRow(
        _ tile: UnsafeRawPointer, _ lane: Int, _ scale: Float, _ output: UnsafeMutablePointer<Float>
    ) {
        let layout = TileLayout(encoding, columns: columns)
        let places = AffineCodes(bitCount: layout.codeStride / 64)
        let rowScale = scale * rowFactor(tile, lane)
        let rowMinimum = scale * rowFactor(tile, laneCount + lane)
        let scales = tile + layout.scaleByteOffset
        let codes = tile + layout.codeByteOffset
        for g in 0..<layout.groupCount {
            let groupScale = rowScale * Float(scales.load(fromByteOffset: g * 32 + lane, as: UInt8.self))
            let minimum = rowMinimum * Float(scales.load(fromByteOffset: g * 32 + 16 + lane, as: UInt8.self))
            for c in 0..<groupColumns {
                let q = places.code(codes + g * layout.codeStride, row: lane, column: c)
                output[g * groupColumns + c] = groupScale * Float(q) - minimum
            }
        }
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
