// SPDX-License-Identifier: Apache-2.0
// Tiles: error bounds, the bytes' layout, padding, extreme values and refusals.

import Quantization
import TestSupport
import Testing

@Suite struct TileCodecTests {
    static let tiled: [TensorEncoding] = [.float32, .float16, .int8, .int5, .int4, .int3]

    @Test(arguments: [TensorEncoding.int8, .int5, .int4, .int3], [32, 64, 96, 160, 576, 960, 1536])
    func errorsStayWithinHalfAStep(encoding: TensorEncoding, columns: Int) throws {
        for (rowCount, distribution) in zip([1, 2, 7, 8, 9, 15, 16], Distribution.all) {
            let rows = distribution.values(rowCount * columns, seed: UInt64(columns))
            let encoded = try EncodedTile(rows, rowCount, columns, encoding)
            let decoded = encoded.decoded()
            for index in rows.indices {
                // Codes are the nearest, so the error is at most half a step unless the code is at its end.
                let step = encoded.step(row: index / columns, group: index % columns / 32)
                let difference = abs(rows[index] - decoded[index])
                let isInside = !encoded.isExtremeCode(row: index / columns, column: index % columns)
                let rounding = Float.ulpOfOne * 16 * (abs(rows[index]) + 16 * step)
                #expect(!isInside || difference <= step / 2 + rounding)
            }
        }
    }

    @Test(arguments: [TensorEncoding.int8, .int5, .int4, .int3])
    func anErrorNeverExceedsTheGroupsRange(encoding: TensorEncoding) throws {
        for (index, distribution) in Distribution.all.enumerated() {
            let rows = distribution.values(16 * 320, seed: UInt64(index))
            let decoded = try EncodedTile(rows, 16, 320, encoding).decoded()
            for start in stride(from: 0, to: rows.count, by: 32) {
                let group = rows[start..<start + 32]
                let largest = group.map(abs).max() ?? 0
                let difference = (start..<start + 32).map { abs(rows[$0] - decoded[$0]) }.max() ?? 0
                #expect(difference <= largest * 1.01 + 1e-38)
            }
        }
    }

    @Test(arguments: tiled)
    func missingRowsAndZeroRowsAreExactZeros(encoding: TensorEncoding) throws {
        for rowCount in 1...16 {
            var rows = Distribution.normal.values(rowCount * 64, seed: 5)
            for column in 0..<64 { rows[column] = 0 }
            let encoded = try EncodedTile(rows, rowCount, 64, encoding)
            let decoded = encoded.decoded()
            for index in decoded.indices where index < 64 || index >= rowCount * 64 {
                #expect(decoded[index].bitPattern == 0)
            }
            if encoding == .int8 {
                let layout = TileLayout(.int8, columns: 64)
                for group in 0..<2 {
                    #expect(encoded.bytes[layout.scaleOffset(group: group)] == 0)
                    for j in 0..<8 { #expect(encoded.bytes[layout.codeOffset(group: group) + j * 64] == 128) }
                }
            }
        }
    }

    @Test(arguments: tiled)
    func aRowDecodesToWhatTheLayoutSays(encoding: TensorEncoding) throws {
        let rows = Distribution.normal.values(16 * 96, seed: 11)
        let encoded = try EncodedTile(rows, 16, 96, encoding)
        for row in 0..<16 {
            for (column, decoded) in encoded.decodedRow(row).enumerated() {
                let source = rows[row * 96 + column]
                let expected = encoded.value(row: row, column: column, source: source)
                // Float rounding of the weight (affine codes: of two products and a difference).
                #expect(abs(decoded - expected) <= 8 * Float.ulpOfOne * max(abs(source), 0.1))
            }
        }
    }

    /// What a row becomes does not depend on the rows beside it.
    @Test(arguments: tiled)
    func aRowIsEncodedAloneAsAmongOthers(encoding: TensorEncoding) throws {
        let rows = Distribution.heavyTailed.values(16 * 128, seed: 3)
        let all = try EncodedTile(rows, 16, 128, encoding).decoded()
        for row in 0..<16 {
            let alone = try EncodedTile(Array(rows[row * 128..<(row + 1) * 128]), 1, 128, encoding)
            #expect(alone.decodedRow(0) == Array(all[row * 128..<(row + 1) * 128]))
        }
    }

    @Test func float32IsExactAndFloat16Rounds() throws {
        let rows = Distribution.wideRange.values(16 * 33, seed: 1)
        #expect(try EncodedTile(rows, 16, 33, .float32).decoded() == rows)
        let small = Distribution.normal.values(16 * 33, seed: 1)
        #expect(try EncodedTile(small, 16, 33, .float16).decoded() == small.map { Float(Float16($0)) })
    }

    @Test func valuesBeyondTheRangeAreClampedAndCounted() throws {
        var rows = Distribution.normal.values(2 * 32, seed: 1)
        rows[3] = 1e30
        rows[40] = -65505
        rows[41] = 65504
        let half = try EncodedTile(rows, 2, 32, .float16)
        #expect(half.error.clippedCount == 2)
        #expect(half.decoded()[3] == 65504)
        #expect(half.decoded()[40] == -65504)
        #expect(half.decoded()[41] == 65504)
        #expect(try EncodedTile(rows, 2, 32, .float32).error.clippedCount == 0)

        rows[3] = .greatestFiniteMagnitude
        rows[4] = -.greatestFiniteMagnitude
        for encoding in [TensorEncoding.int8, .int5, .int4, .int3] {
            let encoded = try EncodedTile(rows, 2, 32, encoding)
            #expect(encoded.error.clippedCount == 2)
            #expect(!encoded.decoded().contains { !$0.isFinite })
            #expect(encoded.decoded()[3] > 0x1p124)
        }
    }

    @Test(arguments: [0x1p-149, 0x1p-133, 1e-36, 1e-30, 1e-10, 1, 1e10, 1e30, 4e37] as [Float])
    func magnitudeDoesNotMatter(magnitude: Float) throws {
        let rows = Distribution.uniform.values(16 * 96, seed: 2).map { $0 * magnitude }
        for (encoding, bound) in [(TensorEncoding.int8, 0.006), (.int5, 0.035), (.int4, 0.07), (.int3, 0.16)]
        {
            let encoded = try EncodedTile(rows, 16, 96, encoding)
            #expect(!encoded.decoded().contains { !$0.isFinite })
            // Below this a Float32 has too few bits left for a scale.
            if magnitude >= 1e-30 { #expect(encoded.error.relativeRMS < bound) }
        }
    }

    @Test(arguments: tiled, [Float.nan, .infinity, -.infinity])
    func refusesWhatIsNotFinite(encoding: TensorEncoding, value: Float) {
        var rows = Distribution.normal.values(5 * 64, seed: 1)
        rows[3 * 64 + 17] = value
        let expected = QuantizationFailure.nonFinite(row: 3, column: 17, value: "\(value)")
        #expect(throws: expected) { try EncodedTile(rows, 5, 64, encoding) }
        #expect(expected.description.contains("row 3, column 17"))
    }

    @Test func refusesImportanceThatIsNoWeight() {
        let rows = Distribution.normal.values(64, seed: 1)
        for value in [-1, Float.nan, .infinity] {
            var importance = [Float](repeating: 1, count: 64)
            importance[9] = value
            #expect(throws: QuantizationFailure.invalidImportance(column: 9, value: "\(value)")) {
                try EncodedTile(rows, 1, 64, .int4, importance: importance)
            }
        }
    }

    @Test func wrongShapesAreProgrammingErrors() async {
        await #expect(processExitsWith: .failure) {
            _ = try EncodedTile([Float](repeating: 0, count: 33), 1, 33, .int4)
        }
        await #expect(processExitsWith: .failure) {
            _ = try EncodedTile([Float](repeating: 0, count: 17 * 32), 17, 32, .int8)
        }
    }
}
