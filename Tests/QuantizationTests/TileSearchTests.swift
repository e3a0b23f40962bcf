// SPDX-License-Identifier: Apache-2.0
// What the search for scales promises: never worse than the plain rule, better where importance says so.

import Quantization
import TestSupport
import Testing

@Suite struct TileSearchTests {
    /// Σ over a row of importance · (w − ŵ)².
    private func error(_ row: ArraySlice<Float>, _ decoded: ArraySlice<Float>, _ importance: [Float])
        -> Double
    {
        zip(zip(row, decoded), importance).reduce(0) { sum, pair in
            let difference = Double(pair.0.0) - Double(pair.0.1)
            return sum + Double(pair.1) * difference * difference
        }
    }

    private func importance(_ columns: Int, seed: UInt64) -> [Float] {
        Distribution.heavyTailed.values(columns, seed: seed).map { $0 * $0 + 0.001 }
    }

    /// The smallest bfloat16 that is not below a positive number.
    private func brainFloat(reaching value: Float) -> Float {
        Float(bitPattern: (value.bitPattern + 0xFFFF) & 0xFFFF_0000)
    }

    /// Plain quantization of one row in the same format: ranges from minimum and maximum, nearest everywhere.
    private func plainInt4(_ row: [Float]) -> [Float] {
        let starts = Array(stride(from: 0, to: row.count, by: 32))
        let ranges = starts.map { start -> (scale: Float, minimum: Float) in
            let group = row[start..<start + 32]
            let low = min(group.min() ?? 0, 0)
            return (((group.max() ?? 0) - low) / 15, -low)
        }
        let rowScale = brainFloat(reaching: (ranges.map(\.scale).max() ?? 0) / 255)
        let rowMinimum = brainFloat(reaching: (ranges.map(\.minimum).max() ?? 0) / 255)
        return zip(starts, ranges).flatMap { start, range -> [Float] in
            let scale = rowScale == 0 ? 0 : rowScale * (range.scale / rowScale).rounded()
            let minimum = rowMinimum == 0 ? 0 : rowMinimum * (range.minimum / rowMinimum).rounded()
            return row[start..<start + 32].map { value in
                scale == 0
                    ? -minimum : scale * max(0, min(15, ((value + minimum) / scale).rounded())) - minimum
            }
        }
    }

    /// Plain quantization of one row to int8: every group's maximum becomes 127.
    private func plainInt8(_ row: [Float]) -> [Float] {
        let starts = Array(stride(from: 0, to: row.count, by: 32))
        let steps = starts.map { start in (row[start..<start + 32].map(abs).max() ?? 0) / 127 }
        let rowScale = brainFloat(reaching: (steps.max() ?? 0) / 255)
        return zip(starts, steps).flatMap { start, step -> [Float] in
            let scale = rowScale == 0 ? 0 : rowScale * (step / rowScale).rounded()
            return row[start..<start + 32].map { value in
                scale == 0 ? 0 : scale * max(-127, min(127, (value / scale).rounded()))
            }
        }
    }

    /// Of a tile: a single row of one or two groups can be lucky with the plain rule's row factor.
    @Test(arguments: Distribution.all, [32, 96, 576, 1536])
    func searchIsNeverWorseThanMinimumAndMaximum(distribution: Distribution, columns: Int) throws {
        let rows = distribution.values(16 * columns, seed: UInt64(columns) + 77)
        let equal = [Float](repeating: 1, count: columns)
        for (encoding, plain) in [(TensorEncoding.int4, plainInt4), (.int8, plainInt8)] {
            let decoded = try EncodedTile(rows, 16, columns, encoding).decoded()
            var searched = 0.0, ruled = 0.0
            for row in 0..<16 {
                let range = row * columns..<(row + 1) * columns
                searched += error(rows[range], decoded[range], equal)
                ruled += error(rows[range], plain(Array(rows[range]))[...], equal)
            }
            #expect(searched <= ruled * 1.0001, "\(encoding): \(searched) against \(ruled)")
        }
    }

    /// Normal weights are the usual case; the gains that the search is there for must not get lost.
    @Test func searchGainsOnNormalWeights() throws {
        let rows = Distribution.normal.values(16 * 1536, seed: 123)
        let int4 = try EncodedTile(rows, 16, 1536, .int4).error.relativeRMS
        let int8 = try EncodedTile(rows, 16, 1536, .int8).error.relativeRMS
        var plain4 = QuantizationError(), plain8 = QuantizationError()
        for row in 0..<16 {
            let values = Array(rows[row * 1536..<(row + 1) * 1536])
            plain4.add(values, plainInt4(values), count: 1536)
            plain8.add(values, plainInt8(values), count: 1536)
        }
        #expect(int4 < plain4.relativeRMS * 0.9)
        #expect(int8 < plain8.relativeRMS * 0.92)
    }

    @Test(arguments: [TensorEncoding.int4, .int8], Distribution.all)
    func importanceLowersTheWeightedError(encoding: TensorEncoding, distribution: Distribution) throws {
        let columns = 320
        let rows = distribution.values(16 * columns, seed: 9)
        let weights = importance(columns, seed: 10)
        let with = try EncodedTile(rows, 16, columns, encoding, importance: weights).decoded()
        let without = try EncodedTile(rows, 16, columns, encoding).decoded()
        var sums = (with: 0.0, without: 0.0)
        for row in 0..<16 {
            let range = row * columns..<(row + 1) * columns
            sums.with += error(rows[range], with[range], weights)
            sums.without += error(rows[range], without[range], weights)
        }
        #expect(sums.with <= sums.without)
        if distribution == .normal { #expect(sums.with < sums.without * (encoding == .int4 ? 0.7 : 0.8)) }
    }

    @Test(arguments: [TensorEncoding.int4, .int8])
    func importanceCountsOnlyRelatively(encoding: TensorEncoding) throws {
        let rows = Distribution.normal.values(16 * 96, seed: 1)
        let weights = importance(96, seed: 2)
        let bytes = try EncodedTile(rows, 16, 96, encoding, importance: weights).bytes
        for factor in [0x1p-100, 0x1p100] as [Float] {
            let scaled = try EncodedTile(rows, 16, 96, encoding, importance: weights.map { $0 * factor })
            #expect(scaled.bytes == bytes)
        }
        // All zero says nothing, so it is the same as nil.
        let zero = try EncodedTile(rows, 16, 96, encoding, importance: [Float](repeating: 0, count: 96))
        #expect(zero.bytes == (try EncodedTile(rows, 16, 96, encoding)).bytes)
    }

    @Test func columnsWithoutImportanceStillHaveSensibleWeights() throws {
        let rows = Distribution.normal.values(16 * 96, seed: 1)
        let weights = (0..<96).map { column -> Float in column < 40 ? 0 : 1 }
        let encoded = try EncodedTile(rows, 16, 96, .int4, importance: weights)
        #expect(encoded.error.relativeRMS < 0.1)
    }

    /// A grid of 16 levels is met but for the 8-bit scale and minimum.
    ///
    /// Each is off by half a step of 1/213 (the coarsest row factor tried) of the largest: 15 s / 426 and 8 s / 426,
    /// and half as much again because codes are chosen by the sum of squares, not by the largest error.
    @Test func fourBitGridsAreRecovered() throws {
        let rows = Distribution.gridOf4Bits.values(16 * 320, seed: 31)
        let encoded = try EncodedTile(rows, 16, 320, .int4)
        let decoded = encoded.decoded()
        let largestStep: Float = 0.125 + 4 * 0.0625
        for index in rows.indices {
            #expect(abs(rows[index] - decoded[index]) <= largestStep * (15 + 8) / 426 * 1.5)
        }
        #expect(encoded.error.relativeRMS < 0.006)
    }

    /// A constant becomes a row factor times an integer of at least 213 (int4) or about 241 (int8: times 127, too).
    @Test(arguments: [-3, -1e-3, 1e-3, 0.7, 42] as [Float])
    func constantsAreMetToEightBits(value: Float) throws {
        let rows = [Float](repeating: value, count: 64)
        for encoding in [TensorEncoding.int4, .int8] {
            let encoded = try EncodedTile(rows, 1, 64, encoding)
            #expect(encoded.error.relativeRMS < 0.5 / 213, "\(encoding) \(encoded.error.relativeRMS)")
        }
    }

    /// One huge weight costs its own group, and the others no more than their share of an 8-bit scale.
    @Test(arguments: [-100, 100] as [Float])
    func anOutlierCostsItsOwnGroupOnly(outlier: Float) throws {
        var rows = Distribution.uniform.values(16 * 320, seed: 5)
        for row in 0..<16 { rows[row * 320 + 37] = outlier }
        for (encoding, bound) in [(TensorEncoding.int4, 0.12), (.int8, 0.012)] {
            let decoded = try EncodedTile(rows, 16, 320, encoding).decoded()
            var others = QuantizationError()
            for row in 0..<16 {
                for start in stride(from: row * 320, to: (row + 1) * 320, by: 32) where start % 320 != 32 {
                    others.add(
                        Array(rows[start..<start + 32]), Array(decoded[start..<start + 32]), count: 32)
                }
                #expect(abs(decoded[row * 320 + 37] - outlier) < 0.01 * abs(outlier))
            }
            #expect(others.relativeRMS < bound, "\(encoding): \(others.relativeRMS)")
        }
    }
}
