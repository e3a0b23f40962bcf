// SPDX-License-Identifier: Apache-2.0
// Pairs each steered layer of the target with a layer of the expert.

import Directions
import LinearAlgebra

package enum PairingPolicy: String, CaseIterable, Sendable {
    /// The expert's layer with the least mutual information with the target's, as published: where models differ most,
    /// intervention is needed most.
    case low
    /// The one with the most mutual information.
    case high
    /// The one at the same relative depth.
    case matchedDepth = "matched-depth"
    /// A random one: the control.
    case random
    /// All of them.
    case all

    package var needsInformation: Bool { self == .low || self == .high }
}

/// Layers by their indices in their models, from 0.
package struct LayerPair: Hashable, Sendable {
    package let expert, target: Int

    package init(expert: Int, target: Int) { (self.expert, self.target) = (expert, target) }
}

/// The captured layers, in the order of a matrix's rows (expert) and columns (target), and the models' layer counts.
package struct LayerGrid: Sendable, Equatable {
    package let expertLayers, targetLayers: [Int]
    package let expertLayerCount, targetLayerCount: Int

    /// - Precondition: layers are distinct and below their counts.
    package init(expertLayers: [Int], expertLayerCount: Int, targetLayers: [Int], targetLayerCount: Int) {
        let sides = [(expertLayers, expertLayerCount), (targetLayers, targetLayerCount)]
        for (layers, count) in sides {
            precondition(Set(layers).count == layers.count, "LayerGrid: a layer stands twice")
            precondition(layers.allSatisfy { $0 >= 0 && $0 < count }, "LayerGrid: a layer beyond \(count)")
        }
        self.expertLayers = expertLayers
        self.targetLayers = targetLayers
        self.expertLayerCount = expertLayerCount
        self.targetLayerCount = targetLayerCount
    }
}

package enum LayerPairing {
    /// Percent of the depth to skip at either end: the first layers still encode tokens, the last ones choose them.
    package static let outerPercent = 15

    /// Whether the middle of a layer is at a depth of 15 % to 85 %. The middle layer always is.
    package static func isInner(_ layer: Int, of count: Int) -> Bool {
        let twicePercent = 100 * (2 * layer + 1)
        return twicePercent >= 2 * outerPercent * count && twicePercent <= 2 * (100 - outerPercent) * count
    }

    /// Chooses one expert layer (`all`: every one) for each target layer, among the inner layers of the grid.
    ///
    /// - Parameters:
    ///   - information: [expert layers × target layers] of the grid; for `low` and `high`.
    ///   - targets: target layers by index, in place of the inner ones.
    ///   - count: number of target layers: those with the least (low) or most (high) information in their pair, random
    ///     ones (random), or those nearest to the middle (matched-depth, all); nil takes all.
    ///   - seed: for `random`.
    /// - Returns: pairs sorted by target layer, then by expert layer.
    /// - Throws: `PairingError` if no inner layer was captured, or a target layer was not.
    /// - Precondition: a policy that needs information has a matrix of the grid's size; count is positive.
    package static func choose(
        _ policy: PairingPolicy, information: Matrix?, grid: LayerGrid, targets: [Int]? = nil,
        count: Int? = nil,
        seed: UInt64 = 0
    ) throws(PairingError) -> [LayerPair] {
        precondition(count ?? 1 > 0, "LayerPairing: no layers asked for")
        let experts = grid.expertLayers.indices.filter {
            isInner(grid.expertLayers[$0], of: grid.expertLayerCount)
        }
        guard !experts.isEmpty else { throw .noInnerLayer(ofExpert: true, captured: grid.expertLayers) }
        let columns = try columns(of: targets, in: grid)
        let score = lookup(policy, information, grid)
        var random = RandomStream(seed: seed)

        var choices: [(column: Int, row: Int, rank: Double)] = []
        for column in columns {
            switch policy {
            case .low, .high, .matchedDepth:
                guard let row = experts.min(by: { score($0, column) < score($1, column) }) else { continue }
                choices.append(
                    (column, row, policy == .matchedDepth ? eccentricity(column, grid) : score(row, column)))
            case .random:
                let row = experts[random.nextIndex(below: experts.count)]
                choices.append((column, row, random.nextUnit()))
            case .all:
                choices.append((column, experts[0], eccentricity(column, grid)))
            }
        }
        // Sorting is not stable, so equal ranks are sorted by layer.
        let kept = choices.sorted { ($0.rank, $0.column) < ($1.rank, $1.column) }.prefix(
            count ?? choices.count)
        let pairs = kept.flatMap { choice in
            (policy == .all ? experts : [choice.row]).map {
                LayerPair(expert: grid.expertLayers[$0], target: grid.targetLayers[choice.column])
            }
        }
        return pairs.sorted { ($0.target, $0.expert) < ($1.target, $1.expert) }
    }

    /// For each pair, the share of bootstrap samples in which the policy pairs its target layer with the same expert
    /// layer. 1 for policies that ignore information.
    package static func stability(
        of pairs: [LayerPair], policy: PairingPolicy, information: MutualInformationMatrix, grid: LayerGrid
    ) throws(PairingError) -> [Double] {
        guard policy.needsInformation, !information.resampled.isEmpty else { return pairs.map { _ in 1 } }
        var counts = [Double](repeating: 0, count: pairs.count)
        for sample in information.resampled {
            let chosen = Set(
                try choose(policy, information: sample, grid: grid, targets: pairs.map(\.target)))
            for (index, pair) in pairs.enumerated() where chosen.contains(pair) { counts[index] += 1 }
        }
        return counts.map { $0 / Double(information.resampled.count) }
    }

    /// Columns of the grid for the requested target layers.
    private static func columns(of targets: [Int]?, in grid: LayerGrid) throws(PairingError) -> [Int] {
        guard let targets else {
            let inner = grid.targetLayers.indices.filter {
                isInner(grid.targetLayers[$0], of: grid.targetLayerCount)
            }
            guard !inner.isEmpty else { throw .noInnerLayer(ofExpert: false, captured: grid.targetLayers) }
            return inner
        }
        var columns: [Int] = []
        for layer in Set(targets).sorted() {
            guard let column = grid.targetLayers.firstIndex(of: layer) else {
                throw .notCaptured(layer: layer, captured: grid.targetLayers)
            }
            columns.append(column)
        }
        return columns
    }

    /// The quantity that the policy minimizes, for a row and a column.
    private static func lookup(_ policy: PairingPolicy, _ information: Matrix?, _ grid: LayerGrid)
        -> (Int, Int) -> Double
    {
        if policy.needsInformation {
            guard let information, information.rows == grid.expertLayers.count,
                information.columns == grid.targetLayers.count
            else { preconditionFailure("LayerPairing: \(policy) without information on the grid's layers") }
            let sign = policy == .low ? 1.0 : -1
            return { sign * information[$0, $1] }
        }
        return { row, column in
            abs(
                depth(grid.expertLayers[row], of: grid.expertLayerCount)
                    - depth(grid.targetLayers[column], of: grid.targetLayerCount))
        }
    }

    private static func depth(_ layer: Int, of count: Int) -> Double { (Double(layer) + 0.5) / Double(count) }

    private static func eccentricity(_ column: Int, _ grid: LayerGrid) -> Double {
        abs(depth(grid.targetLayers[column], of: grid.targetLayerCount) - 0.5)
    }
}

/// Why layers cannot be paired.
package enum PairingError: Error, Equatable, CustomStringConvertible {
    /// All captured layers are in the outer parts of the model.
    case noInnerLayer(ofExpert: Bool, captured: [Int])
    case notCaptured(layer: Int, captured: [Int])

    package var description: String {
        switch self {
        case .noInnerLayer(let ofExpert, let captured):
            "the \(ofExpert ? "expert" : "target") has no layer between 15 % and 85 % of its depth, found \(list(captured))"
        case .notCaptured(let layer, let captured):
            "there are no states of the target's layer \(layer), found \(list(captured))"
        }
    }

    private func list(_ layers: [Int]) -> String {
        layers.isEmpty ? "none" : layers.map(String.init).joined(separator: ", ")
    }
}
