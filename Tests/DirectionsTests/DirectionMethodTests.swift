// SPDX-License-Identifier: Apache-2.0
// What every method of finding a direction has to do.

import Directions
import LinearAlgebra
import Testing

@Suite struct DirectionMethodTests {
    init() throws { try LinearAlgebra.load() }

    /// Pairs whose sides differ by a planted direction under noise that both sides of a pair share in part.
    private func planted(pairs: Int, width: Int, noise: Double, seed: UInt64) -> (
        PairedStates, direction: [Double]
    ) {
        var random = RandomStream(seed: seed)
        let unscaled = (0..<width).map { _ in random.nextNormal() }
        let norm = dotProduct(unscaled, unscaled).squareRoot()
        let direction = unscaled.map { $0 / norm }
        let base = random.nextMatrix(rows: pairs, columns: width)
        let noises = [1.0, -1.0].map { sign in
            var side = random.nextMatrix(rows: pairs, columns: width)
            for row in 0..<pairs {
                for column in 0..<width {
                    side[row, column] =
                        base[row, column] + sign * direction[column] + noise * side[row, column]
                }
            }
            return side
        }
        return (PairedStates(positive: noises[0], negative: noises[1]), direction)
    }

    @Test(arguments: DirectionMethod.allCases)
    func aPlantedDirectionIsRecovered(method: DirectionMethod) throws {
        let (states, direction) = planted(pairs: 200, width: 48, noise: 0.3, seed: 11)
        let found = try method.direction(of: states)
        #expect(abs(dotProduct(found, found) - 1) < 1e-12)
        // Differences cancel what pairs share; methods that see rows alone must average it away.
        let isPaired = method == .meanDifference || method == .pca
        #expect(cosineOf(found, direction) > (isPaired ? 0.99 : 0.9))
        let diagnostics = DirectionDiagnostics(of: found, on: states)
        #expect(diagnostics.pairAccuracy > 0.98 && diagnostics.auc > 0.9)
        #expect(diagnostics.cosineWithMeanDifference.map { $0 > 0.9 } == true)
    }

    @Test(arguments: DirectionMethod.allCases)
    func exchangingTheSidesTurnsTheDirection(method: DirectionMethod) throws {
        let (states, _) = planted(pairs: 40, width: 16, noise: 0.2, seed: 5)
        let turned = try method.direction(of: states.reversed).map { -$0 }
        #expect(greatestDifference(try method.direction(of: states), turned) < 1e-9)
    }

    @Test(arguments: DirectionMethod.allCases)
    func equalSidesGiveNoDirection(method: DirectionMethod) throws {
        let rows = Matrix(rows: 2, columns: 2, values: [1, 2, 3, 4])
        let states = PairedStates(positive: rows, negative: rows)
        #expect(try method.direction(of: states) == [0, 0])
    }

    @Test(arguments: DirectionMethod.allCases)
    func noNumberIsRefusedByItsPlace(method: DirectionMethod) {
        var (states, _) = planted(pairs: 10, width: 4, noise: 0.2, seed: 1)
        var negative = states.negative
        negative[7, 3] = .nan
        states = PairedStates(positive: states.positive, negative: negative)
        do {
            _ = try method.direction(of: states)
            Issue.record("not refused")
        } catch { #expect("\(error)".contains("row 7, column 3 is nan")) }
    }

    @Test(arguments: [DirectionMethod.probe, .rfm])
    func theSameRowsGiveTheSameBytes(method: DirectionMethod) throws {
        let (states, _) = planted(pairs: 100, width: 70, noise: 0.5, seed: 4)
        let first = try method.direction(of: states)
        for _ in 0..<3 { #expect(try method.direction(of: states) == first) }
    }

    @Test func pairsBeyondTheLimitAreThinnedOut() throws {
        let (states, _) = planted(pairs: 30, width: 8, noise: 0.5, seed: 4)
        var options = DirectionOptions()
        options.maximumPairCount = 10
        let thinned = states.spread(10)
        #expect(thinned.pairCount == 10)
        #expect(
            try DirectionMethod.rfm.direction(of: states, options: options)
                == DirectionMethod.rfm.direction(of: thinned))
    }

    @Test(arguments: [DirectionMethod.probe, .rfm])
    func patternsLeanTowardsTheMeans(method: DirectionMethod) throws {
        // Noise along a direction that is oblique to the planted one: reading leans away from it, writing does not.
        var random = RandomStream(seed: 3)
        let labels = (0..<400).map { $0 % 2 == 0 ? 1.0 : -1.0 }
        var rows = random.nextMatrix(rows: 400, columns: 6)
        for row in 0..<400 {
            let noise = 3 * random.nextNormal()
            rows[row, 0] += labels[row] + noise
            rows[row, 1] += noise
        }
        let states = PairedStates(
            positive: rows.selectingRows(stride(from: 0, to: 400, by: 2).map { $0 }),
            negative: rows.selectingRows(stride(from: 1, to: 400, by: 2).map { $0 }))
        let reading = try method.direction(of: states)
        var options = DirectionOptions()
        options.usesPattern = true
        let writing = try method.direction(of: states, options: options)
        let planted = [1.0, 0, 0, 0, 0, 0]
        #expect(reading[1] < -0.4)
        #expect(cosineOf(writing, planted) > cosineOf(reading, planted) + 0.1)
        #expect(
            DirectionDiagnostics(of: reading, on: states).auc
                > DirectionDiagnostics(of: writing, on: states).auc + 0.05)
    }
}
