// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

import ExpertSteer

@Suite struct DirectionTests {
    /// Pairs whose sides differ by a planted direction under noise that both sides of a pair share in part.
    private func planted(pairs: Int, width: Int, noise: Float, seed: UInt64) -> (
        PairedStates, direction: [Float]
    ) {
        var random = SeededGenerator(seed: seed)
        var direction = (0..<width).map { _ in random.nextNormal() }
        let norm = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
        direction = direction.map { $0 / norm }
        var positive: [Float] = [], negative: [Float] = []
        for _ in 0..<pairs {
            let base = (0..<width).map { _ in 3 * random.nextNormal() }
            positive += (0..<width).map { base[$0] + direction[$0] + noise * random.nextNormal() }
            negative += (0..<width).map { base[$0] - direction[$0] + noise * random.nextNormal() }
        }
        return (
            PairedStates(positive: positive, negative: negative, pairCount: pairs, width: width), direction
        )
    }

    @Test(arguments: DirectionMethod.allCases)
    func aPlantedDirectionIsRecovered(method: DirectionMethod) {
        let (states, direction) = planted(pairs: 200, width: 48, noise: 0.3, seed: 11)
        let found = method.direction(of: states)
        let cosine = zip(found, direction).reduce(0) { $0 + $1.0 * $1.1 }
        // With 200 pairs the mean's noise is 0.3·√2/√200 by component, 0.21 in all against a signal of 2.
        #expect(cosine > 0.99)
        #expect(Separation(of: found, on: states).pairAccuracy > 0.98)
    }

    @Test(arguments: DirectionMethod.allCases)
    func exchangingTheSidesTurnsTheDirection(method: DirectionMethod) {
        let (states, _) = planted(pairs: 40, width: 16, noise: 0.2, seed: 5)
        let swapped = PairedStates(
            positive: states.negative, negative: states.positive, pairCount: 40, width: 16)
        for (a, b) in zip(method.direction(of: states), method.direction(of: swapped)) {
            #expect(abs(a + b) < 1e-4)
        }
    }

    @Test(arguments: DirectionMethod.allCases)
    func equalSidesGiveNoDirection(method: DirectionMethod) {
        let rows: [Float] = [1, 2, 3, 4]
        let states = PairedStates(positive: rows, negative: rows, pairCount: 2, width: 2)
        #expect(method.direction(of: states) == [0, 0])
    }
}
