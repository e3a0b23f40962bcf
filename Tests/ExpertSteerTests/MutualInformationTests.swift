// SPDX-License-Identifier: Apache-2.0
// Estimates against distributions whose information is known.

import Directions
import ExpertSteer
import Glibc
import LinearAlgebra
import Testing

struct MutualInformationTests {
    /// Two layers with given canonical correlations, each in a random basis of unequal variances.
    private func layers(correlations: [Double], rows: Int, width: Int, seed: UInt64) throws -> (
        Matrix, Matrix
    ) {
        var random = RandomStream(seed: seed)
        let a = random.nextMatrix(rows: rows, columns: width)
        var b = random.nextMatrix(rows: rows, columns: width)
        for (column, rho) in correlations.enumerated() {
            for row in 0..<rows {
                b[row, column] = rho * a[row, column] + (1 - rho * rho).squareRoot() * b[row, column]
            }
        }
        let scales = (0..<width).map { 1 + 2 * Double($0) / Double(width) }
        return (
            product(a, try random.nextRotation(size: width)).scalingColumns(scales),
            product(b, try random.nextRotation(size: width)).scalingColumns(scales)
        )
    }

    private func information(_ correlations: [Double]) -> Double {
        correlations.reduce(0) { $0 - 0.5 * log(1 - $1 * $1) }
    }

    private func matrix(
        _ a: Matrix, _ b: Matrix, components: Int, change: (inout MutualInformationOptions) -> Void = { _ in }
    ) throws -> MutualInformationMatrix {
        var options = MutualInformationOptions()
        options.components = components
        change(&options)
        return try MutualInformationMatrix(expertLayers: [a], targetLayers: [b], options: options)
    }

    // MARK: - Gaussian

    @Test(arguments: [
        ([0.9, 0.7, 0.5, 0.3], 4, 4000), ([0.95, 0.8, 0.6, 0.4, 0.2], 8, 2000), ([0.8, 0.8, 0.8], 24, 2000),
        ([0.99, 0.5], 16, 1024),
    ])
    func informationIsWithinFivePercentOfItsClosedForm(correlations: [Double], width: Int, rows: Int) throws {
        var sum = 0.0
        for seed in 1...4 {
            let (a, b) = try layers(correlations: correlations, rows: rows, width: width, seed: UInt64(seed))
            sum += try matrix(a, b, components: width) { $0.bootstraps = 0 }.gaussian[0, 0] / 4
        }
        let expected = information(correlations)
        #expect(abs(sum - expected) < 0.05 * expected, "\(sum) and \(expected)")
    }

    @Test func independentLayersHaveNoInformation() throws {
        let (a, b) = try layers(correlations: [], rows: 512, width: 40, seed: 5)
        let found = try matrix(a, b, components: 24)
        // pq / 2n = 0.56 by chance, with a standard deviation of √(pq / 2) / n = 0.033; correlated noise of 20 more.
        #expect(abs(found.chance[0, 0] - 0.58) < 0.08)
        #expect(abs(found.gaussian[0, 0]) < 0.12)
        #expect(abs(found.nearestNeighbours[0, 0]) < 0.1)
    }

    @Test func equalLayersHaveFiniteInformation() throws {
        let (a, _) = try layers(correlations: [], rows: 200, width: 10, seed: 6)
        let found = try matrix(a, a, components: 10)
        // Each of ten correlations is n / (n + 1).
        let expected = -5 * log(1 - (200.0 / 201) * (200.0 / 201))
        #expect(abs(found.gaussian[0, 0] + found.chance[0, 0] - expected) < 1e-6)
        #expect(found.resampled.allSatisfy { $0.isFinite })
    }

    @Test func invertibleMapsChangeNothing() throws {
        let (a, b) = try layers(correlations: [0.9, 0.5], rows: 300, width: 6, seed: 7)
        var random = RandomStream(seed: 8)
        let other = product(a, random.nextMatrix(rows: 6, columns: 6))
        let one = try matrix(a, b, components: 6), two = try matrix(other, b, components: 6)
        #expect(abs(one.gaussian[0, 0] - two.gaussian[0, 0]) < 1e-8)
        // So it is with the control of alignments: a rotated code has the same information.
        let encoder = try Alignment.fit(.autoencoder, expert: a, target: b)
        let code = try matrix(encoder.encode(a), b, components: 6)
        let turned = try matrix(encoder.rotated(seed: 1).encode(a), b, components: 6)
        #expect(abs(code.gaussian[0, 0] - turned.gaussian[0, 0]) < 1e-8)
    }

    @Test func shrinkageLowersCorrelations() throws {
        let cross = Matrix(rows: 1, columns: 1, values: [0.8])
        let found = try gaussianInformation(cross: cross, shrinkage: 0.25)
        #expect(abs(found - information([0.6])) < 1e-12)
        #expect(throws: StatesError.self) {
            try gaussianInformation(cross: .identity(2), shrinkage: 0)
        }
    }

    // MARK: - Nearest neighbours

    @Test(arguments: [0, 0.3, 0.6, 0.9], [3, 4, 6])
    func neighboursFindTheInformationOfCorrelatedNormals(rho: Double, neighbours: Int) {
        var random = RandomStream(seed: 10)
        let x = (0..<2000).map { _ in random.nextNormal() }
        let y = x.map { rho * $0 + (1 - rho * rho).squareRoot() * random.nextNormal() }
        let expected = information([rho])
        #expect(abs(neighbourInformation(x, y, neighbours: neighbours) - expected) < 0.1)
    }

    @Test(arguments: [3, 4, 6])
    func neighboursFindInformationThatCorrelationsDoNot(neighbours: Int) {
        var random = RandomStream(seed: 11)
        // Uniform on two of four quarters of a square: uncorrelated around 0, and one bit is known.
        let quarters = (0..<2000).map { _ -> (Double, Double) in
            let side = random.nextUnit() < 0.5 ? 0.0 : 1
            return (side + random.nextUnit(), side + random.nextUnit())
        }
        let bit = neighbourInformation(quarters.map(\.0), quarters.map(\.1), neighbours: neighbours)
        #expect(abs(bit - log(2)) < 0.1)
        // y = x + noise, both uniform, the noise on 0...w: h(y) − h(noise) = w/2 − ln w for w ≤ 1.
        let width = 0.3
        let x = (0..<2000).map { _ in random.nextUnit() }
        let y = x.map { $0 + width * random.nextUnit() }
        let uniform = neighbourInformation(x, y, neighbours: neighbours)
        #expect(abs(uniform - (width / 2 - log(width))) < 0.1)
        // A circle: nothing for correlations, much for neighbours.
        let angles = (0..<2000).map { _ in 2 * .pi * random.nextUnit() }
        let circle = neighbourInformation(
            angles.map { cos($0) + 0.1 * random.nextNormal() },
            angles.map { sin($0) + 0.1 * random.nextNormal() },
            neighbours: neighbours)
        #expect(circle > 0.5)
    }

    @Test func pointsThatCoincideAreNoTrap() {
        let x = [Double](repeating: 1, count: 20)
        #expect(neighbourInformation(x, x, neighbours: 4).isFinite)
        let steps = (0..<60).map { Double($0 / 10) }
        #expect(neighbourInformation(steps, steps, neighbours: 3).isFinite)
    }

    // MARK: - Matrix

    /// Six expert and five target layers that share the more the deeper both lie.
    private func models(rows: Int) -> (experts: [Matrix], targets: [Matrix]) {
        var random = RandomStream(seed: 12)
        let shared = random.nextMatrix(rows: rows, columns: 5)
        func layer(_ width: Int, strength: Double) -> Matrix {
            let signal = product(shared, random.nextMatrix(rows: 5, columns: width)).values
            let noise = random.nextMatrix(rows: rows, columns: width).values
            return Matrix(rows: rows, columns: width, values: zip(signal, noise).map { strength * $0 + $1 })
        }
        return (
            (0..<6).map { layer(30, strength: 0.05 * Double(1 << $0)) },
            (0..<5).map { layer(22, strength: 0.1 * Double(1 << $0)) }
        )
    }

    @Test func bothEstimatesRankLayersAlike() throws {
        let (experts, targets) = models(rows: 512)
        let found = try MutualInformationMatrix(expertLayers: experts, targetLayers: targets)
        #expect(found.rankCorrelation > 0.85)
        for (row, column) in [(0, 0), (1, 1), (2, 2), (3, 3)] {
            #expect(found.gaussian[row + 1, column + 1] > found.gaussian[row, column])
        }
        #expect(found.resampled.count == 30)
        let grid = LayerGrid(expertLayerCount: 6, targetLayerCount: 5)
        let pairs = try LayerPairing.choose(.high, information: found.gaussian, grid: grid)
        let stability = try LayerPairing.stability(
            of: pairs, policy: .high, information: found, grid: grid)
        #expect(pairs.allSatisfy { $0.expert == 4 })
        #expect(stability.allSatisfy { $0 > 0.6 })
    }

    @Test func threadsDoNotMatter() throws {
        let (experts, targets) = models(rows: 100)
        let found = try (1...4).map { threads in
            try MutualInformationMatrix(
                expertLayers: experts, targetLayers: targets, threadCount: threads)
        }
        for other in found.dropFirst() {
            #expect(other.gaussian == found[0].gaussian && other.chance == found[0].chance)
            #expect(other.nearestNeighbours == found[0].nearestNeighbours)
            #expect(other.resampled == found[0].resampled)
        }
        var options = MutualInformationOptions()
        options.seed = 1
        let seeded = try MutualInformationMatrix(
            expertLayers: experts, targetLayers: targets, options: options)
        #expect(seeded.chance != found[0].chance && seeded.resampled != found[0].resampled)
    }

    @Test func scoresAreUncorrelatedAndOfVarianceOne() throws {
        let (experts, _) = models(rows: 100)
        // More texts than columns, and fewer.
        for states in [experts[2], product(experts[2], experts[3], transposing: .second)] {
            let scores = try LayerScores(of: states)
            #expect(scores.componentCount == 12)
            let share = 1 / Double(states.rows)
            let covariance = gram(scores.values)
            expectEqual(
                Matrix(rows: 12, columns: 12, values: covariance.values.map { $0 * share }),
                .identity(12), within: 1e-9)
            for mean in scores.values.columnMeans { #expect(abs(mean) < 1e-9) }
            #expect(scores.explained > 0 && scores.explained <= 1 + 1e-12)
        }
        #expect(try LayerScores(of: experts[2], components: 5).componentCount == 5)
    }

    @Test func aLayerOfSmallRankHasFewScores() throws {
        var random = RandomStream(seed: 13)
        let states = product(random.nextMatrix(rows: 64, columns: 3), random.nextMatrix(rows: 3, columns: 90))
        #expect(try LayerScores(of: states).componentCount == 3)
    }

    @Test func badLayersAreRefused() {
        let constant = Matrix(rows: 40, columns: 4)
        var broken = constant
        broken[3, 2] = .infinity
        #expect(throws: StatesError.noVariance(rowCount: 40)) { try LayerScores(of: constant) }
        #expect(throws: StatesError.notFinite(row: 3, column: 2, value: .infinity)) {
            try LayerScores(of: broken)
        }
        #expect(throws: StatesError.tooFewTexts(found: 31, expected: 32)) {
            try LayerScores(of: Matrix(rows: 31, columns: 4))
        }
        #expect(throws: StatesError.notFinite(row: 3, column: 2, value: .infinity)) {
            try MutualInformationMatrix(expertLayers: [broken], targetLayers: [constant], threadCount: 2)
        }
    }

    // MARK: - Ranks

    @Test func ranksOfEqualValuesAreShared() {
        #expect(rankCorrelation([1, 5, 9], [2, 3, 100]) == 1)
        #expect(rankCorrelation([1, 2, 3], [3, 2, 1]) == -1)
        #expect(rankCorrelation([1, 1, 1], [3, 2, 1]) == 0)
        // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / √(4.5 · 5).
        #expect(abs(rankCorrelation([1, 4, 4, 9], [1, 2, 3, 4]) - 0.9486832980505138) < 1e-12)
    }
}
