// SPDX-License-Identifier: Apache-2.0
// Areas under the curve, readings of layers, and what they say about an expert.

import Directions
import ExpertSteer
import LinearAlgebra
import Testing

@Suite struct ExpertiseGapTests {
    init() throws { try LinearAlgebra.load() }

    @Test func areasCountTiesHalf() {
        #expect(areaUnderCurve([3, 2, 1], labels: [1, 1, -1]) == 1)
        #expect(areaUnderCurve([1, 2, 3], labels: [1, 1, -1]) == 0)
        #expect(areaUnderCurve([5, 5, 5, 5], labels: [1, -1, 1, -1]) == 0.5)
        // Against −1 and 2: 2 > −1, 2 = 2, 0 > −1, 0 < 2.
        #expect(areaUnderCurve([2, 0, -1, 2], labels: [1, 1, -1, -1]) == 0.625)
    }

    @Test func areasAreThoseOfAllComparisons() {
        var random = RandomStream(seed: 2)
        let scores = (0..<101).map { _ in Double(random.nextIndex(below: 20)) }
        let labels = (0..<101).map { _ in random.nextIndex(below: 3) == 0 ? 1.0 : -1.0 }
        var (wins, count) = (0.0, 0.0)
        for (score, label) in zip(scores, labels) where label > 0 {
            for (other, otherLabel) in zip(scores, labels) where otherLabel < 0 {
                wins += score > other ? 1 : score == other ? 0.5 : 0
                count += 1
            }
        }
        #expect(abs(areaUnderCurve(scores, labels: labels) - wins / count) < 1e-12)
    }

    /// Pairs that share most of what they are; the sides differ by `shift` along one axis.
    private func states(shift: Double, pairs: Int = 90, seed: UInt64) -> PairedStates {
        var random = RandomStream(seed: seed)
        let base = random.nextMatrix(rows: pairs, columns: 12)
        let sides = [shift, -shift].map { shift in
            var side = random.nextMatrix(rows: pairs, columns: 12)
            for row in 0..<pairs {
                for column in 0..<12 { side[row, column] = 0.5 * side[row, column] + base[row, column] }
                side[row, 0] += shift
            }
            return side
        }
        return PairedStates(positive: sides[0], negative: sides[1])
    }

    private func readings(_ shifts: [Double], seed: UInt64) throws -> [LayerProbe] {
        try shifts.enumerated().map { layer, shift in
            try LayerProbe(layer: layer, states: states(shift: shift, seed: seed + UInt64(layer)))
        }
    }

    /// What pairs share must not help: both sides of a pair are in one fold.
    @Test func whatIsNotThereIsNotRead() throws {
        let readings = try (0..<8).map {
            try LayerProbe(layer: $0, states: states(shift: 0, seed: 40 + UInt64($0)))
        }
        // Single readings have a standard deviation of 0.036 (from 400 of them), their mean 0.013.
        #expect(abs(readings.reduce(0) { $0 + $1.auc } / 8 - 0.5) < 0.04)
        #expect(readings.count { $0.interval.contains(0.5) } >= 6)
        #expect(readings.allSatisfy { $0.interval.contains($0.auc) })
    }

    @Test func anExpertThatReadsBetterHasSomethingToTeach() throws {
        let gap = try ExpertiseGap(
            expert: readings([0.1, 1.5, 0.4], seed: 10), target: readings([0.2, 0.4], seed: 20))
        #expect(gap.verdict == .expertReadsBetter && gap.expertHasSomethingToTeach)
        #expect(best(of: gap.expert).layer == 1 && best(of: gap.target).layer == 1)
        #expect(gap.interval.lowerBound > 0 && gap.interval.contains(gap.difference))
        #expect(gap.difference == gap.expertAUC - gap.targetAUC)
        #expect(gap.expertAUC == best(of: gap.expert).auc, "this layer is best in every fold")
        let reverse = ExpertiseGap(expert: gap.target, target: gap.expert)
        #expect(reverse.verdict == .targetReadsBetter && reverse.difference == -gap.difference)
    }

    @Test func equalReadersTeachNothing() throws {
        let gaps = try (0..<6).map {
            try ExpertiseGap(
                expert: readings([0.8, 0.9], seed: 100 + 10 * UInt64($0)),
                target: readings([0.9, 0.8], seed: 105 + 10 * UInt64($0)))
        }
        // Of 95 % intervals one in twenty is wrong.
        #expect(gaps.count { $0.verdict == .noDifference && !$0.expertHasSomethingToTeach } >= 5)
    }

    @Test func theBestOfManyBlindLayersIsBlind() throws {
        var luck = 0.0
        for seed in [30, 60, 90] as [UInt64] {
            let blind = try readings([Double](repeating: 0, count: 8), seed: seed)
            let gap = try ExpertiseGap(expert: blind, target: [#require(blind.last)])
            #expect(gap.verdict == .expertCannotRead && !gap.expertHasSomethingToTeach)
            luck += best(of: gap.expert).auc - gap.expertAUC
        }
        #expect(luck / 3 > 0.01, "the best of all folds together owes something to chance")
    }

    @Test func theSameSeedGivesTheSameFigures() throws {
        let states = states(shift: 0.5, seed: 3)
        let first = try LayerProbe(layer: 0, states: states),
            second = try LayerProbe(layer: 0, states: states)
        #expect(first.auc == second.auc && first.interval == second.interval)
        var options = LayerProbe.Options()
        options.seed = 1
        #expect(try LayerProbe(layer: 0, states: states, options: options).interval != first.interval)
    }

    @Test func tooFewPairsAreRefused() {
        #expect(throws: StatesError.tooFewPairs(found: 5, expected: 6)) {
            try LayerProbe(layer: 0, states: states(shift: 1, pairs: 5, seed: 1))
        }
    }
}

/// The layer with the largest area over all folds, the first one among equals.
private func best(of probes: [LayerProbe]) -> LayerProbe {
    probes.dropFirst().reduce(probes[0]) { $1.auc > $0.auc ? $1 : $0 }
}
