// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

import Evaluation

@Suite struct StatisticsTests {
    @Test func runningMeanAgreesWithTheDefinition() {
        let values = [1.0, 4, 9, 16, 25]
        var running = RunningMean()
        for value in values { running.add(value) }
        #expect(running.mean == 11)
        // Sample variance 374 / 4, over n = 5.
        #expect(abs(running.standardError - (374.0 / 4 / 5).squareRoot()) < 1e-12)
    }

    @Test func bootstrapIntervalCoversTheNormalOne() {
        var random = SeededGenerator(seed: 2)
        let values = (0..<400).map { _ in Double(random.nextNormal()) + 1 }
        let mean = values.reduce(0, +) / 400
        let interval = bootstrapInterval(of: values)
        // 1.96 standard errors of 0.05 on either side, within a tenth of them.
        #expect(abs(interval.lowerBound - (mean - 0.098)) < 0.015)
        #expect(abs(interval.upperBound - (mean + 0.098)) < 0.015)
        #expect(interval == bootstrapInterval(of: values))
    }

    @Test func medianTakesTheMiddle() {
        #expect(median([3, 1, 2]) == 2)
        #expect(median([4, 1, 2, 3]) == 2.5)
    }
}
