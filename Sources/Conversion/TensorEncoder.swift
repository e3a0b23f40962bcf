// SPDX-License-Identifier: Apache-2.0
// One tensor from the source's blocks to tiles: dequantized, put in order and encoded sixteen rows at a time,
// so that no more than a few tiles of it are ever held as floats.

import Formats
import Platform
import Quantization

/// Encodes planned tensors on all threads.
struct TensorEncoder {
    private let file: GGUFFile
    private let pool: ThreadPool
    /// Tiles that are encoded before they are written out.
    private let tilesPerBatch = 64

    init(file: GGUFFile, pool: ThreadPool) {
        self.file = file
        self.pool = pool
    }

    /// Encodes a tensor piece by piece.
    ///
    /// - Parameter write: receives consecutive bytes of the encoded tensor.
    /// - Returns: the error made by the encoding.
    /// - Throws: `ConversionError` where the source holds numbers that are not finite.
    func encode(_ tensor: PlannedTensor, write: (UnsafeRawBufferPointer) throws -> Void) throws
        -> QuantizationError
    {
        tensor.encoding == .vector ? try encodeVector(tensor, write) : try encodeMatrix(tensor, write)
    }

    private func encodeVector(_ tensor: PlannedTensor, _ write: (UnsafeRawBufferPointer) throws -> Void)
        throws
        -> QuantizationError
    {
        let source = tensor.source
        let count = source.rows * source.columns
        let values = AlignedBuffer<Float>(count: count)
        let ordered = AlignedBuffer<Float>(count: count)
        guard let bytes = file.bytes(of: source).baseAddress else { return QuantizationError() }
        source.type.dequantize(bytes, count: count, into: values.baseAddress)
        for index in 0..<count {
            let value = values[tensor.sourceRow(index)]
            guard value.isFinite else { throw notFinite(source, row: 0, column: index) }
            ordered[index] = value
        }
        try write(UnsafeRawBufferPointer(ordered.elements))
        return QuantizationError()
    }

    private func encodeMatrix(_ tensor: PlannedTensor, _ write: (UnsafeRawBufferPointer) throws -> Void)
        throws
        -> QuantizationError
    {
        let (rows, columns) = (tensor.source.rows, tensor.source.columns)
        guard let tileBytes = tensor.encoding.tileByteCount(columns: columns),
            let rowBytes = tensor.source.type.byteCount(elements: columns),
            let source = file.bytes(of: tensor.source).baseAddress
        else { throw ConversionError("tensor \(tensor.source.name): rows of \(columns) cannot be stored") }
        let tileCount = (rows + TensorEncoding.tileRows - 1) / TensorEncoding.tileRows
        let batch = min(tilesPerBatch, tileCount)
        let encoded = AlignedBuffer<UInt8>(count: batch * tileBytes)
        let floats = AlignedBuffer<Float>(count: pool.threadCount * TensorEncoding.tileRows * columns)
        var outcomes = [TileOutcome](repeating: TileOutcome(), count: batch)
        var total = QuantizationError()
        var first = 0
        while first < tileCount {
            let count = min(batch, tileCount - first)
            outcomes.withUnsafeMutableBufferPointer { outcomes in
                pool.run { thread in
                    let own = floats.baseAddress + thread * TensorEncoding.tileRows * columns
                    for slot in split(count, thread: thread, of: pool.threadCount) {
                        let firstRow = (first + slot) * TensorEncoding.tileRows
                        let validRows = min(TensorEncoding.tileRows, rows - firstRow)
                        for row in 0..<validRows {
                            tensor.source.type.dequantize(
                                source + tensor.sourceRow(firstRow + row) * rowBytes, count: columns,
                                into: own + row * columns)
                        }
                        outcomes[slot] = TileOutcome(
                            encoding: own, validRows: validRows, columns: columns, as: tensor.encoding,
                            into: UnsafeMutableRawPointer(encoded.baseAddress + slot * tileBytes))
                    }
                }
            }
            for outcome in outcomes[..<count] {
                if let failure = outcome.failure {
                    throw ConversionError("tensor \(tensor.source.name): \(failure)")
                }
                total.merge(outcome.error)
            }
            try write(UnsafeRawBufferPointer(start: encoded.baseAddress, count: count * tileBytes))
            first += count
        }
        return total
    }

    private func notFinite(_ source: GGUFTensor, row: Int, column: Int) -> ConversionError {
        ConversionError("tensor \(source.name) is not finite at row \(row), column \(column)")
    }
}

/// What came of one tile; threads cannot throw, so failures wait for the caller.
private struct TileOutcome {
    var error = QuantizationError()
    var failure: QuantizationFailure?

    init() {}

    init(
        encoding rows: UnsafePointer<Float>, validRows: Int, columns: Int, as encoding: TensorEncoding,
        into tile: UnsafeMutableRawPointer
    ) {
        do {
            try TileCodec.encode(
                rows: rows, validRows: validRows, columns: columns, encoding: encoding, importance: nil,
                into: tile,
                error: &error)
        } catch { failure = error }
    }
}
