// SPDX-License-Identifier: Apache-2.0
// The reference product against sums over bytes that are read as the layout says.

import Quantization
import TestSupport
import Testing

@Suite struct ReferenceMultiplyTests {
    @Test(arguments: [1, 15, 16, 17, 40])
    func multipliesWhatTheLayoutSays(rowCount: Int) throws {
        let columns = 96
        let rows = Distribution.normal.values(rowCount * columns, seed: 4)
        let x = Distribution.normal.values(columns, seed: 5)
        for encoding in [TensorEncoding.float32, .float16, .int8, .int5, .int4, .int3] {
            var tiles: [UInt8] = []
            var expected: [Double] = []
            for first in stride(from: 0, to: rowCount, by: 16) {
                let count = min(16, rowCount - first)
                let tile = try EncodedTile(
                    Array(rows[first * columns..<(first + count) * columns]), count, columns, encoding)
                tiles += tile.bytes
                for row in 0..<count {
                    expected.append(
                        (0..<columns).reduce(0.0) { sum, column in
                            sum + Double(value(tile, row, column, rows[(first + row) * columns + column]))
                                * Double(x[column])
                        })
                }
            }
            #expect(tiles.count == encoding.byteCount(rows: rowCount, columns: columns))
            let (output, magnitude) = tiles.withUnsafeBytes { bytes -> ([Double], [Double]) in
                guard let base = bytes.baseAddress else { return ([], []) }
                return ReferenceMultiply.multiply(
                    tiles: base, rowCount: rowCount, columns: columns, encoding: encoding, x: x)
            }
            #expect(output.count == rowCount)
            for row in 0..<output.count {
                // Float rounding of each decoded weight (int4: of two products and a difference).
                #expect(
                    abs(output[row] - expected[row]) <= 8 * Double(Float.ulpOfOne) * max(magnitude[row], 0.1))
            }
        }
    }

    private func value(_ tile: EncodedTile, _ row: Int, _ column: Int, _ source: Float) -> Float {
        switch tile.encoding {
        case .int8: tile.step(row: row, group: column / 32) * Float(tile.code(row: row, column: column) - 128)
        case .int5, .int4, .int3:
            tile.step(row: row, group: column / 32) * Float(tile.code(row: row, column: column))
                - tile.minimum(row: row, group: column / 32)
        case .float16: Float(Float16(source))
        case .float32, .vector: source
        }
    }
}
