// SPDX-License-Identifier: Apache-2.0
// Encodes one tensor from the source's rows to tiles: decodes, reorders and encodes sixteen rows at a time, so that only a few
// tiles are ever held as floats.

import Formats
import Models
import Platform
import Quantization

/// Encodes planned tensors on all threads.
struct TensorEncoder {
    private let pool: ThreadPool
    /// Tiles that are encoded before they are written.
    private let tilesPerBatch = 64

    init(pool: ThreadPool) { self.pool = pool }

    /// Encodes a segment of a tensor in pieces.
    ///
    /// - Parameter write: receives consecutive bytes of the encoded tensor.
    /// - Returns: the quantization error.
    /// - Throws: `ConversionError` if the source holds numbers that are not finite or do not fit the encoding.
    func encode(
        _ segment: RowSegment, of tensor: PlannedTensor, feedback: GPTQRounding? = nil,
        write: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> QuantizationError {
        if tensor.isCopied { return try copy(tensor.source.bytes(of: segment), write) }
        return segment.encoding == .vector
            ? try encodeVector(tensor, write) : try encodeMatrix(segment, of: tensor, feedback, write)
    }

    /// Copies the tiles unchanged: encoding their numbers again would change them.
    private func copy(
        _ bytes: UnsafeRawBufferPointer, _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> QuantizationError {
        let chunk = 1 << 20
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            try write(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + chunk, bytes.count)]))
        }
        return QuantizationError()
    }

    private func encodeVector(_ tensor: PlannedTensor, _ write: (UnsafeRawBufferPointer) throws -> Void)
        throws
        -> QuantizationError
    {
        let source = tensor.source
        // A vector is stored as one row, but RoPE's permutation treats its numbers as rows.
        let values = try AlignedBuffer<Float>(count: source.columns)
        let ordered = try AlignedBuffer<Float>(count: source.columns)
        source.decode(row: 0, into: values.baseAddress)
        for index in 0..<source.columns {
            let value = values[source.sourceRow(index)] * (tensor.scaling?.columnFactors?[index] ?? 1)
            guard value.isFinite else { throw notFinite(source, row: 0, column: index) }
            ordered[index] = value
        }
        try write(UnsafeRawBufferPointer(ordered.elements))
        return QuantizationError()
    }

    private func encodeMatrix(
        _ segment: RowSegment, of tensor: PlannedTensor, _ feedback: GPTQRounding?,
        _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> QuantizationError {
        let source = tensor.source
        let columns = source.columns
        guard let tileBytes = segment.encoding.tileByteCount(columns: columns) else {
            throw ConversionError("tensor \(source.name): rows of \(columns) elements cannot be stored")
        }
        let tiles = segment.tiles
        let batch = min(tilesPerBatch, tiles.count)
        let encoded = try AlignedBuffer<UInt8>(count: batch * tileBytes)
        let floats = try AlignedBuffer<Float>(count: pool.threadCount * TensorEncoding.tileRows * columns)
        var outcomes = [TileOutcome](repeating: TileOutcome(), count: batch)
        var total = QuantizationError()
        var first = tiles.lowerBound
        while first < tiles.upperBound {
            let count = min(batch, tiles.upperBound - first)
            outcomes.withUnsafeMutableBufferPointer { outcomes in
                pool.run { thread in
                    let own = floats.baseAddress + thread * TensorEncoding.tileRows * columns
                    for slot in split(count, thread: thread, of: pool.threadCount) {
                        let firstRow = (first + slot) * TensorEncoding.tileRows
                        let validRows = min(TensorEncoding.tileRows, segment.rows.upperBound - firstRow)
                        outcomes[slot] = tensor.encodeTile(
                            firstRow: firstRow, validRows: validRows, as: segment.encoding,
                            feedback: feedback,
                            rows: own,
                            into: UnsafeMutableRawPointer(encoded.baseAddress + slot * tileBytes))
                    }
                }
            }
            for (slot, outcome) in outcomes[..<count].enumerated() {
                if let failure = outcome.failure {
                    throw refusal(failure, source, firstRow: (first + slot) * TensorEncoding.tileRows)
                }
                total.merge(outcome.error)
            }
            try write(UnsafeRawBufferPointer(start: encoded.baseAddress, count: count * tileBytes))
            first += count
        }
        return total
    }

    /// A tile counts its own rows; errors report the tensor's.
    private func refusal(_ failure: QuantizationFailure, _ source: SourceTensor, firstRow: Int)
        -> ConversionError
    {
        switch failure {
        case .nonFinite(let row, let column, _):
            return notFinite(source, row: firstRow + row, column: column)
        case .clipped(let row, let column, let value, let limit):
            return ConversionError(
                "tensor \(source.name) has \(value) at row \(firstRow + row), column \(column), beyond the \(limit) that "
                    + "this encoding can hold; f32 can, and so can 8 bits or fewer if it is below 4e37")
        case .invalidImportance: return ConversionError("tensor \(source.name): \(failure)")
        }
    }

    private func notFinite(_ source: SourceTensor, row: Int, column: Int) -> ConversionError {
        ConversionError("tensor \(source.name) is not finite at row \(row), column \(column)")
    }
}
/// The result of one tile; threads cannot throw, so the caller handles failures.
struct TileOutcome {
    var error = QuantizationError()
    var failure: QuantizationFailure?
}

extension PlannedTensor {
    /// Encodes the tile whose first row is `firstRow`; `rows` [16 × columns] receives its input.
    func encodeTile(
        firstRow: Int, validRows: Int, as encoding: TensorEncoding, feedback: GPTQRounding?,
        rows: UnsafeMutablePointer<Float>, into tile: UnsafeMutableRawPointer
    ) -> TileOutcome {
        let columns = source.columns
        for row in 0..<validRows {
            source.decode(row: firstRow + row, scaling, into: rows + row * columns)
        }
        var outcome = TileOutcome()
        func encode(_ importance: UnsafePointer<Float>?) {
            do {
                try TileCodec.encode(
                    rows: rows, validRows: validRows, columns: columns, encoding: encoding,
                    importance: importance, feedback: feedback, into: tile, error: &outcome.error)
            } catch { outcome.failure = error }
        }
        if let importance = scaling?.importance {
            importance.withUnsafeBufferPointer { encode($0.baseAddress) }
        } else {
            encode(nil)
        }
        guard outcome.failure == nil, outcome.error.clippedCount > 0 else { return outcome }
        // Clamped values would change the model.
        let limit = TileCodec.magnitudeLimit(encoding)
        if let index = (0..<validRows * columns).first(where: { abs(rows[$0]) > limit }) {
            outcome.failure = .clipped(
                row: index / columns, column: index % columns, value: rows[index], limit: limit)
        }
        return outcome
    }
}
