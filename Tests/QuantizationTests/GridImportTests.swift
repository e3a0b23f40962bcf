// SPDX-License-Identifier: Apache-2.0
// Weights that lie on the grid of a Q8_0 or Q4_0 file keep their codes: a scale in 8 bits below a bfloat16 is all that
// is rounded again.

import Quantization
import TestSupport
import Testing

@Suite struct GridImportTests {
    private static let rows = 16, columns = 640

    /// Weights, the integers that they are made of, and the sign of each group's step.
    private struct Grid {
        var values: [Float] = []
        var codes: [Int] = []
        var signs: [Int] = []

        /// - Parameters:
        ///   - range: codes; one of the two ends is in every group, as ggml's quantizers make them.
        ///   - isSigned: whether steps may be negative, as those of Q4_0 are where the largest magnitude is positive.
        init(_ range: ClosedRange<Int>, ends: [Int], isSigned: Bool, seed: UInt64) {
            var generator = SeededGenerator(seed: seed)
            for _ in 0..<rows * columns / 32 {
                let sign = isSigned && Bool.random(using: &generator) ? -1 : 1
                let step = Float(
                    Float16Bits.float(Float16Bits.bits(.random(in: 0.004...0.008, using: &generator))))
                let end = Int.random(in: 0..<32, using: &generator)
                for index in 0..<32 {
                    let code =
                        index == end
                        ? ends.randomElement(using: &generator) ?? 0
                        : Int.random(in: range, using: &generator)
                    codes.append(code)
                    values.append(step * Float(sign * code))
                }
                signs.append(sign)
            }
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func int8KeepsTheCodesOfQ8_0(seed: UInt64) throws {
        let grid = Grid(-127...127, ends: [-127, 127], isSigned: false, seed: seed)
        let tile = try EncodedTile(grid.values, Self.rows, Self.columns, .int8)
        let kept = grid.codes.indices.count {
            let (row, column) = $0.quotientAndRemainder(dividingBy: Self.columns)
            return tile.code(row: row, column: column) - 128 == grid.codes[$0]
        }
        #expect(Double(kept) > 0.97 * Double(grid.codes.count), "\(kept) of \(grid.codes.count)")
        #expect(tile.error.relativeRMS < 0.0025, "\(tile.error.relativeRMS)")
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func int4KeepsTheCodesOfQ4_0(seed: UInt64) throws {
        try expectKept(Grid(-7...7, ends: [-8], isSigned: true, seed: seed), .int4)
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func int5KeepsTheCodesOfQ5_0(seed: UInt64) throws {
        try expectKept(Grid(-15...15, ends: [-16], isSigned: true, seed: seed), .int5)
    }

    private func expectKept(_ grid: Grid, _ encoding: TensorEncoding) throws {
        let tile = try EncodedTile(grid.values, Self.rows, Self.columns, encoding)
        // Codes count from the group's smallest weight, whichever that is: what must be kept are their differences.
        var kept = 0
        for group in grid.signs.indices {
            let (row, place) = group.quotientAndRemainder(dividingBy: Self.columns / 32)
            let offsets = Set(
                (0..<32).map { index in
                    tile.code(row: row, column: place * 32 + index)
                        - grid.signs[group] * grid.codes[group * 32 + index]
                })
            kept += offsets.count == 1 ? 1 : 0
        }
        #expect(Double(kept) > 0.98 * Double(grid.signs.count), "\(kept) of \(grid.signs.count)")
        #expect(tile.error.relativeRMS < 0.01, "\(tile.error.relativeRMS)")
    }
}
