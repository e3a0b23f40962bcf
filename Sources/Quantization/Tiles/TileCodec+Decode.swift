// SPDX-License-Identifier: Apache-2.0
// Tiles to Float32: the values that every kernel computes with.

extension TileCodec {
    /// Decodes one row of a tile: output[c] = factor · w[row, c].
    ///
    /// - Parameters:
    ///   - row: 0…15.
    ///   - tile: `tileByteCount(columns:)` bytes on any alignment.
    ///   - columns: Columns of the matrix.
    ///   - encoding: Not `vector`.
    ///   - factor: For integer encodings it scales the row's own factors, which costs one multiplication per row.
    ///   - output: [columns], written.
    package static func decodeRow(
        _ row: Int, tile: UnsafeRawPointer, columns: Int, encoding: TensorEncoding, times factor: Float = 1,
        into output: UnsafeMutablePointer<Float>
    ) {
        precondition(row >= 0 && row < TensorEncoding.tileRows, "decodeRow: a tile has 16 rows")
        precondition(
            encoding.tileByteCount(columns: columns) != nil, "decodeRow: \(encoding) with \(columns) columns")
        switch encoding {
        case .vector: preconditionFailure("decodeRow: vectors are not stored in tiles")
        case .float32:
            for column in 0..<columns {
                let value = tile.loadUnaligned(fromByteOffset: (column &* 16 &+ row) &* 4, as: Float.self)
                output[column] = factor * value
            }
        case .float16:
            for column in 0..<columns {
                let bits = tile.loadUnaligned(fromByteOffset: (column &* 16 &+ row) &* 2, as: UInt16.self)
                output[column] = factor * Float16Bits.float(UInt16(littleEndian: bits))
            }
        case .int8: decodeInt8Row(row, tile, TileLayout(.int8, columns: columns), factor, output)
        case .int5, .int4, .int3:
            decodeAffineRow(row, tile, TileLayout(encoding, columns: columns), factor, output)
        }
    }

    /// One number of the bfloat16 block at the start of a tile.
    @inline(__always)
    private static func rowFactor(_ tile: UnsafeRawPointer, _ index: Int) -> Float {
        let bits = tile.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        return Float16Bits.float(brain: UInt16(littleEndian: bits))
    }

    private static func decodeInt8Row(
        _ row: Int, _ tile: UnsafeRawPointer, _ layout: TileLayout, _ factor: Float,
        _ output: UnsafeMutablePointer<Float>
    ) {
        let bytes = tile.assumingMemoryBound(to: UInt8.self)
        let rowScale = factor * rowFactor(tile, row)
        for group in 0..<layout.groupCount {
            let scale = rowScale * Float(Int32(bytes[layout.scaleOffset(group: group) &+ row]))
            let codes = bytes + (layout.codeOffset(group: group) &+ row &* 4)
            let values = output + group &* 32
            for j in 0..<8 {
                for k in 0..<4 {
                    values[j &* 4 &+ k] = scale * Float(Int32(codes[j &* 64 &+ k]) &- 128)
                }
            }
        }
    }

    private static func decodeAffineRow(
        _ row: Int, _ tile: UnsafeRawPointer, _ layout: TileLayout, _ factor: Float,
        _ output: UnsafeMutablePointer<Float>
    ) {
        let bytes = tile.assumingMemoryBound(to: UInt8.self)
        let rowScale = factor * rowFactor(tile, row)
        let rowMinimum = factor * rowFactor(tile, row &+ TensorEncoding.tileRows)
        let codes = AffineCodes(bitCount: layout.codeStride / 64)
        for group in 0..<layout.groupCount {
            let scales = bytes + (layout.scaleOffset(group: group) &+ row)
            let scale = rowScale * Float(Int32(scales[0]))
            let minimum = rowMinimum * Float(Int32(scales[16]))
            let groupCodes = tile + layout.codeOffset(group: group)
            for column in 0..<TensorEncoding.groupSize {
                let q = codes.code(groupCodes, row: row, column: column)
                output[group &* 32 &+ column] = scale * Float(Int32(q)) - minimum
            }
        }
    }
}
