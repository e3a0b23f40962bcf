// SPDX-License-Identifier: Apache-2.0
// Rows of Float32 to tiles of 16 rows and back. Encoding searches for the scales with the least squared
// error; the reported error is measured on the decoded tile.

/// Encodes and decodes tiles as `TensorEncoding` describes them.
package enum TileCodec {
    /// The largest magnitude that can be stored; larger weights are clamped to it and counted as clipped.
    ///
    /// For integers it keeps products of scale and code finite.
    package static func magnitudeLimit(_ encoding: TensorEncoding) -> Float {
        switch encoding {
        case .vector, .float32: .greatestFiniteMagnitude
        case .float16: Float16Bits.greatestFinite
        case .int8, .int5, .int4, .int3: 0x1p125
        }
    }

    /// Encodes up to 16 rows as one tile; missing rows become zeros.
    ///
    /// - Parameters:
    ///   - rows: [validRows × columns], row-major.
    ///   - validRows: 1…16.
    ///   - columns: Columns of the matrix.
    ///   - encoding: Not `vector`.
    ///   - importance: [columns], the weights of the squared error that integer encodings minimize; nil means all equal.
    ///   - feedback: GPTQ's error propagation for affine codes, for the same columns; nil rounds every weight by itself.
    ///   - tile: `tileByteCount(columns:)` bytes, 4-byte aligned, all written.
    ///   - error: Receives the unweighted error of the valid rows.
    /// - Throws: `nonFinite` or `invalidImportance`; the tile is not written then.
    /// - Precondition: the encoding is stored in tiles and accepts `columns`.
    package static func encode(
        rows: UnsafePointer<Float>, validRows: Int, columns: Int, encoding: TensorEncoding,
        importance: UnsafePointer<Float>?, feedback: GPTQRounding? = nil, into tile: UnsafeMutableRawPointer,
        error: inout QuantizationError
    ) throws(QuantizationFailure) {
        precondition(
            validRows >= 1 && validRows <= TensorEncoding.tileRows, "encode: a tile has 1 to 16 rows")
        guard let byteCount = encoding.tileByteCount(columns: columns) else {
            preconditionFailure("encode: \(encoding) with \(columns) columns")
        }
        precondition(feedback?.columns ?? columns == columns, "encode: feedback for other columns")
        try requireFinite(rows, validRows, columns)
        let limit = magnitudeLimit(encoding)
        var clipped = 0
        for index in 0..<(validRows * columns) where abs(rows[index]) > limit { clipped &+= 1 }
        let weights = try ColumnWeights(importance, columns: columns)

        tile.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        switch encoding {
        case .vector: preconditionFailure("encode: vectors are not stored in tiles")
        case .float32: encodeFloat32(rows, validRows, columns, tile)
        case .float16: encodeFloat16(rows, validRows, columns, tile)
        case .int8, .int5, .int4, .int3:
            let layout = TileLayout(encoding, columns: columns)
            for firstRow in stride(from: 0, to: TensorEncoding.tileRows, by: Float8.scalarCount) {
                let rowCount = max(0, min(Float8.scalarCount, validRows - firstRow))
                let lanes = LaneRows(
                    rows: rows + min(firstRow, validRows) * columns, rowCount: rowCount, columns: columns,
                    limit: limit)
                if let bits = encoding.affineBitCount {
                    AffineSearch(bitCount: bits).encode(
                        lanes, weights, layout, feedback: feedback, into: tile, firstRow: firstRow)
                } else {
                    Int8Search.encode(lanes, weights, layout, into: tile, firstRow: firstRow)
                }
            }
        }

        withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { decoded in
            guard let decoded = decoded.baseAddress else { return }
            for row in 0..<validRows {
                decodeRow(row, tile: tile, columns: columns, encoding: encoding, into: decoded)
                error.add(rows + row * columns, decoded, count: columns)
            }
        }
        error.addClipped(clipped)
    }

    private static func requireFinite(
        _ rows: UnsafePointer<Float>, _ validRows: Int, _ columns: Int
    ) throws(QuantizationFailure) {
        // One sum over all exponents first: it almost always shows that every weight is finite.
        var anyNonFinite: UInt32 = 0
        for index in 0..<(validRows * columns) {
            let magnitude = rows[index].bitPattern & 0x7FFF_FFFF
            anyNonFinite |= magnitude >= 0x7F80_0000 ? 1 : 0
        }
        guard anyNonFinite != 0 else { return }
        for index in 0..<(validRows * columns) where !rows[index].isFinite {
            throw .nonFinite(row: index / columns, column: index % columns, value: "\(rows[index])")
        }
    }

    private static func encodeFloat32(
        _ rows: UnsafePointer<Float>, _ validRows: Int, _ columns: Int, _ tile: UnsafeMutableRawPointer
    ) {
        for row in 0..<validRows {
            for column in 0..<columns {
                tile.storeBytes(
                    of: rows[row &* columns &+ column], toByteOffset: (column &* 16 &+ row) &* 4,
                    as: Float.self)
            }
        }
    }

    private static func encodeFloat16(
        _ rows: UnsafePointer<Float>, _ validRows: Int, _ columns: Int, _ tile: UnsafeMutableRawPointer
    ) {
        for row in 0..<validRows {
            for column in 0..<columns {
                let limit = Float16Bits.greatestFinite
                let bits = Float16Bits.bits(max(-limit, min(limit, rows[row &* columns &+ column])))
                tile.storeBytes(
                    of: bits.littleEndian, toByteOffset: (column &* 16 &+ row) &* 2, as: UInt16.self)
            }
        }
    }
}
