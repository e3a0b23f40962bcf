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

    @Test func intervalsOfSharesAreWilsons() {
        // Wilson's interval solves (p − x/n)² = z² p (1 − p) / n for p.
        for (successes, count) in [(8, 10), (250, 1000), (1, 3)] {
            let interval = wilsonInterval(successes: successes, of: count)
            for p in [interval.lowerBound, interval.upperBound] {
                let distance = p - Double(successes) / Double(count)
                #expect(
                    abs(distance * distance - 1.959964 * 1.959964 * p * (1 - p) / Double(count)) < 1e-12)
            }
        }
        #expect(wilsonInterval(successes: 0, of: 20).lowerBound == 0)
        #expect(wilsonInterval(successes: 20, of: 20).upperBound == 1)
        #expect(wilsonInterval(successes: 0, of: 0) == 0...1)
    }

    @Test func quantilesAreLinearBetweenNeighbours() {
        #expect(quantile(0.5, ofSorted: [1, 2]) == 1.5)
        #expect(quantile(0, ofSorted: [1, 2, 5]) == 1 && quantile(1, ofSorted: [1, 2, 5]) == 5)
        #expect(quantile(0.75, ofSorted: [1, 2, 5]) == 3.5)
        #expect(quantile(0.3, ofSorted: []) == 0 && quantile(0.3, ofSorted: [7]) == 7)
    }

    @Test func intervalsOfRatiosBelongToTheRatio() throws {
        var random = SeededGenerator(seed: 3)
        let b = (0..<200).map { _ in Double(random.nextNormal()) * 0.5 + 2 }
        let exact = try #require(bootstrapInterval(ofRatio: b.map { $0 * 0.75 }, to: b))
        #expect(abs(exact.lowerBound - 0.75) < 1e-12 && abs(exact.upperBound - 0.75) < 1e-12)
        // What is not a share of b is noise of 0.5 over a mean of 2.
        let a = b.map { $0 * 0.75 + Double(random.nextNormal()) * 0.5 }
        let noisy = try #require(bootstrapInterval(ofRatio: a, to: b))
        let error = 0.5 / 200.0.squareRoot() / 2
        let width = noisy.upperBound - noisy.lowerBound
        #expect(noisy.contains(a.reduce(0, +) / b.reduce(0, +)))
        #expect(abs(width / (2 * 1.96 * error) - 1) < 0.25, "\(width)")
        // Nothing can be a share of what may be nothing.
        #expect(bootstrapInterval(ofRatio: [1, 2, 3], to: [-1, 1, 0]) == nil)
        #expect(bootstrapInterval(ofRatio: [], to: []) == nil)
    }

    @Test func medianTakesTheMiddle() {
        #expect(median([3, 1, 2]) == 2)
        #expect(median([4, 1, 2, 3]) == 2.5)
    }
}
