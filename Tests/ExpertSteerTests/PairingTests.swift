// SPDX-License-Identifier: Apache-2.0

import Directions
import ExpertSteer
import LinearAlgebra
import Testing

struct PairingTests {
    /// Ten layers each; row 4 is the highest everywhere, row 6 the lowest, but for outer rows beyond both.
    private let grid = LayerGrid(expertLayerCount: 10, targetLayerCount: 10)
    private var information: Matrix {
        var matrix = Matrix(rows: 10, columns: 10)
        for row in 0..<10 {
            for column in 0..<10 { matrix[row, column] = Double(10 + (row * 7 + column * 3) % 5) }
        }
        for column in 0..<10 {
            matrix[4, column] = 20 + Double(column)
            matrix[6, column] = 5 - 0.1 * Double(column)
            matrix[0, column] = 99
            matrix[9, column] = -99
        }
        return matrix
    }

    @Test func theOuterFifteenPercentAreLeftOut() {
        func inner(_ count: Int) -> [Int] { (0..<count).filter { LayerPairing.isInner($0, of: count) } }
        #expect(inner(10) == Array(1...8))
        #expect(inner(18) == Array(3...14))
        #expect(inner(30) == Array(4...25))
        #expect(inner(1) == [0] && inner(2) == [0, 1] && inner(3) == [0, 1, 2] && inner(4) == [1, 2])
    }

    @Test func lowAndHighTakeTheExtremesOfEachTargetLayer() throws {
        let low = try LayerPairing.choose(.low, information: information, grid: grid)
        let high = try LayerPairing.choose(.high, information: information, grid: grid)
        #expect(low.map(\.target) == Array(1...8) && low.allSatisfy { $0.expert == 6 })
        #expect(high.map(\.target) == Array(1...8) && high.allSatisfy { $0.expert == 4 })
    }

    @Test func fewLayersAreThoseWithTheExtremePairs() throws {
        let low = try LayerPairing.choose(.low, information: information, grid: grid, count: 2)
        #expect(low == [LayerPair(expert: 6, target: 7), LayerPair(expert: 6, target: 8)])
        let high = try LayerPairing.choose(.high, information: information, grid: grid, count: 2)
        #expect(high == [LayerPair(expert: 4, target: 7), LayerPair(expert: 4, target: 8)])
        let middle = try LayerPairing.choose(.matchedDepth, information: nil, grid: grid, count: 2)
        #expect(middle == [LayerPair(expert: 4, target: 4), LayerPair(expert: 5, target: 5)])
        #expect(try LayerPairing.choose(.low, information: information, grid: grid, count: 100).count == 8)
    }

    @Test func matchedDepthsAreNearest() throws {
        let grid = LayerGrid(expertLayerCount: 18, targetLayerCount: 30)
        let pairs = try LayerPairing.choose(.matchedDepth, information: nil, grid: grid)
        #expect(pairs.map(\.target) == Array(4...25))
        for pair in pairs {
            let depth = (Double(pair.target) + 0.5) / 30
            let distances = (3...14).map { abs((Double($0) + 0.5) / 18 - depth) }
            #expect(abs((Double(pair.expert) + 0.5) / 18 - depth) == distances.min())
        }
    }

    @Test func everyExpertLayerIsPairedByAll() throws {
        let pairs = try LayerPairing.choose(.all, information: nil, grid: grid, count: 3)
        #expect(pairs.count == 24 && Set(pairs.map(\.target)) == [3, 4, 5])
        #expect(Set(pairs.map(\.expert)) == Set(1...8))
    }

    @Test func randomPairsFollowTheSeed() throws {
        let pairs = try (0..<20).map {
            try LayerPairing.choose(.random, information: nil, grid: grid, count: 4, seed: UInt64($0))
        }
        #expect(try pairs[3] == LayerPairing.choose(.random, information: nil, grid: grid, count: 4, seed: 3))
        #expect(Set(pairs).count > 15)
        #expect(Set(pairs.joined().map(\.expert)) == Set(1...8))
        #expect(Set(pairs.joined().map(\.target)) == Set(1...8))
        #expect(pairs.allSatisfy { Set($0.map(\.target)).count == 4 })
    }

    @Test(arguments: PairingPolicy.allCases)
    func chosenTargetLayersAreTaken(policy: PairingPolicy) throws {
        let pairs = try LayerPairing.choose(
            policy, information: information, grid: grid, targets: [9, 0, 5])
        #expect(Set(pairs.map(\.target)) == [0, 5, 9])
        #expect(pairs == pairs.sorted { ($0.target, $0.expert) < ($1.target, $1.expert) })
        #expect(throws: PairingError.notCaptured(layer: 10, captured: Array(0..<10))) {
            try LayerPairing.choose(policy, information: information, grid: grid, targets: [10])
        }
    }

    @Test func onlyCapturedLayersArePaired() throws {
        let grid = LayerGrid(
            expertLayers: [2, 7, 11], expertLayerCount: 12, targetLayers: [20, 6], targetLayerCount: 24)
        let information = Matrix(rows: 3, columns: 2, values: [3, 1, 2, 2, 9, 9])
        let high = try LayerPairing.choose(.high, information: information, grid: grid)
        #expect(high == [LayerPair(expert: 7, target: 6)])
        let asked = try LayerPairing.choose(.high, information: information, grid: grid, targets: [20])
        #expect(asked == [LayerPair(expert: 2, target: 20)])
        let outer = LayerGrid(
            expertLayers: [0], expertLayerCount: 12, targetLayers: [6], targetLayerCount: 24)
        #expect(throws: PairingError.noInnerLayer(ofExpert: true, captured: [0])) {
            try LayerPairing.choose(.random, information: nil, grid: outer)
        }
        let none = LayerGrid(expertLayers: [5], expertLayerCount: 12, targetLayers: [], targetLayerCount: 24)
        #expect(throws: PairingError.noInnerLayer(ofExpert: false, captured: [])) {
            try LayerPairing.choose(.all, information: nil, grid: none)
        }
    }

    @Test func piecesOfWorkComeBackInOrder() throws {
        for threads in [1, 2, 5] {
            #expect(parallelMap(7, threadCount: threads) { $0 * $0 } == [0, 1, 4, 9, 16, 25, 36])
        }
        #expect(parallelMap(0, threadCount: 3) { $0 }.isEmpty)
        #expect(throws: PairingError.notCaptured(layer: 3, captured: [])) {
            try parallelMap(9, threadCount: 2) { index throws(PairingError) in
                if index >= 3 { throw PairingError.notCaptured(layer: index, captured: []) }
                return index
            }
        }
    }
}
