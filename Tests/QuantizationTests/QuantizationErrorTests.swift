// SPDX-License-Identifier: Apache-2.0
// The statistics: known sums, and merging as if everything had been added at one place.

import Quantization
import TestSupport
import Testing

@Suite struct QuantizationErrorTests {
    @Test func measuresWhatItSays() {
        var error = QuantizationError()
        #expect(error.relativeRMS == 0)
        error.add([3, 4, 0, 0, 5], [3, 4, 0, 0, 4.5], count: 5)
        #expect(error.count == 5)
        #expect(error.squaredSum == 50)
        #expect(error.squaredError == 0.25)
        #expect(error.maximumError == 0.5)
        #expect(abs(error.relativeRMS - 0.0707106781) < 1e-9)
    }

    @Test func extremeMagnitudesDoNotOverflow() {
        var error = QuantizationError()
        error.add([1e38, -1e38], [0, 1e38], count: 2)
        #expect(error.squaredError.isFinite)
        #expect(error.maximumError > 1.9e38)
    }

    @Test(arguments: [0, 1, 3, 4, 5, 31, 64])
    func mergingIsAddingAtOnePlace(split: Int) {
        let weights = Distribution.normal.values(64, seed: 1)
        let decoded = weights.map { ($0 * 8).rounded() / 8 }
        var whole = QuantizationError(), first = QuantizationError(), second = QuantizationError()
        whole.add(weights, decoded, count: 64)
        first.add(Array(weights[..<split]), Array(decoded[..<split]), count: split)
        second.add(Array(weights[split...]), Array(decoded[split...]), count: 64 - split)
        first.merge(second)
        #expect(first.count == 64)
        #expect(first.maximumError == whole.maximumError)
        #expect(abs(first.squaredError - whole.squaredError) <= 1e-12 * whole.squaredError)
        #expect(abs(first.squaredSum - whole.squaredSum) <= 1e-12 * whole.squaredSum)
    }

    @Test func aTileReportsTheErrorOfItsValidRows() throws {
        let rows = Distribution.normal.values(5 * 64, seed: 3)
        let encoded = try EncodedTile(rows, 5, 64, .int4)
        var expected = QuantizationError()
        expected.add(rows, encoded.decoded(), count: 5 * 64)
        #expect(encoded.error.count == 5 * 64)
        #expect(abs(encoded.error.squaredError - expected.squaredError) <= 1e-12 * expected.squaredError)
        #expect(encoded.error.maximumError == expected.maximumError)
    }
}
