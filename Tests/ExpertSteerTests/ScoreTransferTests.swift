// SPDX-License-Identifier: Apache-2.0

import Directions
import ExpertSteer
import LinearAlgebra
import Testing

struct ScoreTransferTests {
    @Test func thePatternOfThePlantedScoreIsFound() throws {
        // T = s a + noise: the pattern is a, whatever the noise's covariance.
        var random = RandomStream(seed: 1)
        let scores = (0..<4000).map { _ in random.nextNormal() }
        let pattern = (0..<20).map { _ in random.nextNormal() }
        let mixing = random.nextMatrix(rows: 20, columns: 20)
        let noise = product(random.nextMatrix(rows: 4000, columns: 20), mixing)
        var target = noise
        for row in 0..<4000 { for column in 0..<20 { target[row, column] += scores[row] * pattern[column] } }
        let transfer = try ScoreTransfer(scores: scores, target: target)
        // Errors by component are about |noise| / √n = 4.5 / 63.
        for (found, expected) in zip(transfer.direction, pattern) { #expect(abs(found - expected) < 0.3) }
        #expect(cosineOf(transfer.direction, pattern) > 0.98)
        #expect(transfer.correlation > 0.3)
    }

    @Test func itIsCovarianceByVariance() throws {
        var random = RandomStream(seed: 2)
        let target = random.nextMatrix(rows: 9, columns: 2)
        let scores = (0..<9).map { _ in 5 * random.nextNormal() + 3 }
        let transfer = try ScoreTransfer(scores: scores, target: target)
        let meanScore = scores.reduce(0, +) / 9
        for column in 0..<2 {
            let states = target.column(column), mean = states.reduce(0, +) / 9
            let covariance = zip(states, scores).reduce(0) { $0 + ($1.0 - mean) * ($1.1 - meanScore) }
            let variance = scores.reduce(0) { $0 + ($1 - meanScore) * ($1 - meanScore) }
            #expect(abs(transfer.direction[column] - covariance / variance) < 1e-12)
        }
    }

    @Test func scoresOfNothingCorrelateWithNothing() throws {
        var random = RandomStream(seed: 3)
        let target = random.nextMatrix(rows: 200, columns: 100)
        let transfer = try ScoreTransfer(scores: (0..<200).map { _ in random.nextNormal() }, target: target)
        // Held out: standard error 1/√200.
        #expect(abs(transfer.correlation) < 0.25)
    }

    @Test func scoresThatDoNotVaryAreRefused() {
        var random = RandomStream(seed: 4)
        let target = random.nextMatrix(rows: 10, columns: 2)
        #expect(throws: StatesError.noVariance(rowCount: 10)) {
            try ScoreTransfer(scores: [Double](repeating: 1, count: 10), target: target)
        }
        #expect(throws: StatesError.self) {
            try ScoreTransfer(scores: [Double](repeating: .nan, count: 10), target: target)
        }
        #expect(throws: StatesError.tooFewTexts(found: 2, expected: 8)) {
            try ScoreTransfer(scores: [1, 2], target: target.selectingRows([0, 1]))
        }
        #expect(throws: StatesError.noVariance(rowCount: 10)) {
            try ScoreTransfer(scores: (0..<10).map(Double.init), target: Matrix(rows: 10, columns: 3))
        }
    }
}
