// SPDX-License-Identifier: Apache-2.0
// The properties of a matrix that GPTQ needs: its input, and the rounding errors of its rows.

import Formats
import Platform
import Quantization

extension PlannedTensor {
    /// The matrix's input; nil for a matrix that does not use GPTQ.
    func feedbackInput(in configuration: ModelConfiguration) -> MatrixInput? {
        guard encoding.affineBitCount != nil, !isCopied else { return nil }
        return MatrixInput(of: source.role, layer: source.layer, in: configuration)
    }

    /// The factor of each column before rounding.
    var columnFactors: [Float]? { scaling?.columnFactors }

    /// The errors ŵ − w of a sample of rows, in the scale in which they are rounded: [rows × columns].
    ///
    /// - Parameter tileCount: number of tiles of 16 rows, evenly spread.
    func sampledErrors(tileCount: Int, feedback: GPTQRounding?, pool: ThreadPool) throws -> [Float] {
        let (columns, tileRows) = (source.columns, TensorEncoding.tileRows)
        let available = source.rows / tileRows
        let count = min(tileCount, available)
        guard count > 0, let tileBytes = encoding.tileByteCount(columns: columns) else { return [] }
        // One set per thread.
        let allRows = try AlignedBuffer<Float>(count: pool.threadCount * tileRows * columns)
        let tiles = try AlignedBuffer<UInt8>(count: pool.threadCount * tileBytes)
        var errors = [Float](repeating: 0, count: count * tileRows * columns)
        errors.withUnsafeMutableBufferPointer { errors in
            guard let errors = errors.baseAddress else { return }
            pool.run { thread in
                let rows = allRows.baseAddress + thread * tileRows * columns
                let tile = tiles.baseAddress + thread * tileBytes
                for sample in split(count, thread: thread, of: pool.threadCount) {
                    let first = available * sample / count * tileRows
                    let outcome = encodeTile(
                        firstRow: first, validRows: tileRows, as: encoding, feedback: feedback, rows: rows,
                        into: UnsafeMutableRawPointer(tile))
                    // Encoding the whole tensor reports the error.
                    guard outcome.failure == nil else { return }
                    for row in 0..<tileRows {
                        let own = errors + (sample * tileRows + row) * columns
                        TileCodec.decodeRow(
                            row, tile: tile, columns: columns, encoding: encoding, into: own)
                        for column in 0..<columns { own[column] -= rows[row * columns + column] }
                    }
                }
            }
        }
        return errors
    }
}
