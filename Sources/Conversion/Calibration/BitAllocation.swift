// SPDX-License-Identifier: Apache-2.0
// Allocates bits to weights. Starting from an 8-bit model, one group of matrices at a time is replaced by a version with fewer
// bits and the KL divergence is measured; bytes then go where they reduce the sum most. The divergences are small and therefore
// nearly additive. A vocabulary's divergence is distributed over its rows in proportion to their tokens' probability.

import Formats
import Quantization
import Tiller
import Transformer

/// Weights that are always stored in the same encoding.
package struct TensorGroup: Sendable, Hashable {
    package let keys: Set<TensorKey>
    /// Rows of the matrices; nil means all.
    package let rows: Range<Int>?

    package init(keys: Set<TensorKey>, rows: Range<Int>? = nil) {
        self.keys = keys
        self.rows = rows
    }

    var isVocabulary: Bool { keys.contains { $0.role.isVocabulary } }

    /// The head (and embedding); per layer, query and key, value, attention output, gate and up, down.
    static func all(layerCount: Int) -> [TensorGroup] {
        func groups(_ input: MatrixInput, _ layer: Int?) -> [TensorGroup] {
            // Queries and keys act through attention's scores only, values on the output itself: their sensitivities differ.
            let shared = input.readers.filter { $0 != .value && !$0.staysWide }
            let roles = input.readers.contains(.value) ? [shared, [.value]] : [shared]
            return roles.map { TensorGroup(keys: Set($0.map { TensorKey($0, layer) })) }
        }
        return groups(.head, nil)
            + (0..<layerCount).flatMap { layer in
                MatrixInput.all(ofLayer: layer).flatMap { groups($0, layer) }
            }
    }

    /// Bytes in a file that stores all rows of each tensor in one encoding.
    func byteCount(in file: TillerFile) -> Int {
        keys.reduce(0) { sum, key in
            sum + (file.tensorIndex[key.role, key.layer]?.byteCount.roundedUp(to: 64) ?? 0)
        }
    }
}

/// A group's size and sensitivity in one encoding.
package struct EncodingCost: Sendable, Equatable {
    package let encoding: TensorEncoding
    package let byteCount: Int
    /// The KL divergence caused by this encoding of the group alone.
    package let damage: Double

    package init(_ encoding: TensorEncoding, byteCount: Int, damage: Double) {
        self.encoding = encoding
        self.byteCount = byteCount
        self.damage = damage
    }
}

/// Groups with the costs of their encodings.
package struct BitAllocation {
    /// Each group's costs in ascending order of bytes, reduced to their lower convex hull.
    private let groups: [(group: TensorGroup, costs: [EncodingCost])]
    /// Bytes of the largest possible choice.
    package let greatestByteCount: Int

    /// - Parameter groups: costs in any order.
    package init(_ groups: [(group: TensorGroup, costs: [EncodingCost])]) {
        self.groups = groups.map { ($0.group, Self.hull($0.costs)) }
        greatestByteCount = groups.reduce(0) { $0 + ($1.costs.map(\.byteCount).max() ?? 0) }
    }

    /// Measures the sensitivity of groups.
    ///
    /// - Parameters:
    ///   - best: the model in 8 bits, in which one group at a time is replaced.
    ///   - exact: the model that the KL divergence is measured against.
    ///   - lists: tokens of some short texts.
    ///   - tokens: the probability of each token.
    ///   - variants: the model in the other encodings available to a group.
    ///   - progress: called with (groups done, groups in all); false stops.
    /// - Throws: `CancellationError` when stopped, `FormatError`, or `AllocationError`.
    init(
        _ all: [TensorGroup], best: Engine, exact: Engine, lists: [[Int32]], tokens: TokenShares,
        variants: (TensorGroup) -> ArraySlice<(encoding: TensorEncoding, file: TillerFile)>,
        progress: (Int, Int) -> Bool
    ) throws {
        let probe = try SensitivityProbe(best, exact: exact, lists: lists)
        let unavoidable = try probe.damage(of: best.model)
        var found: [(group: TensorGroup, costs: [EncodingCost])] = []
        for (index, group) in all.enumerated() {
            let size = group.byteCount(in: best.file)
            var costs = [EncodingCost(.int8, byteCount: size, damage: 0)]
            // Rows that fit no integer encoding are the same in all variants.
            for variant in variants(group) where group.byteCount(in: variant.file) != size {
                guard progress(index, all.count) else { throw CancellationError() }
                let model = try Model(file: best.file, substitute: variant.file) { role, layer in
                    group.keys.contains(TensorKey(role, layer))
                }
                costs.append(
                    EncodingCost(
                        variant.encoding, byteCount: group.byteCount(in: variant.file),
                        damage: try probe.damage(of: model) - unavoidable))
            }
            guard costs.count > 1 else { continue }
            found += group.isVocabulary ? group.blocks(tokens, costs) : [(group, costs)]
        }
        self.init(found)
    }

    /// Bytes of the smallest possible choice.
    package var leastByteCount: Int { groups.reduce(0) { $0 + ($1.costs.first?.byteCount ?? 0) } }

    /// The encoding of each group within a total of `byteCount`: starting from the smallest choice, greedily takes the step that
    /// reduces the divergence most per byte, as long as one fits.
    package func choice(byteCount: Int) -> [(group: TensorGroup, encoding: TensorEncoding)] {
        var rest = byteCount - leastByteCount
        var places = groups.map { _ in 0 }
        let steps = groups.indices.flatMap { index -> [(group: Int, place: Int, bytes: Int, rate: Double)] in
            let costs = groups[index].costs
            return zip(costs, costs.dropFirst()).enumerated().map { place, pair in
                let bytes = pair.1.byteCount - pair.0.byteCount
                return (index, place, bytes, (pair.0.damage - pair.1.damage) / Double(bytes))
            }
        }
        // Within a group the rates decrease, so its steps come in order; ties follow the order of the groups.
        for step in steps.sorted(by: { ($0.rate, $1.group, $1.place) > ($1.rate, $0.group, $0.place) })
        where step.bytes <= rest && places[step.group] == step.place {
            rest -= step.bytes
            places[step.group] += 1
        }
        return zip(groups, places).compactMap { group, place in
            group.costs.isEmpty ? nil : (group.group, group.costs[place].encoding)
        }
    }

    /// The lower convex hull of divergence over bytes.
    private static func hull(_ costs: [EncodingCost]) -> [EncodingCost] {
        func rate(_ a: EncodingCost, _ b: EncodingCost) -> Double {
            (a.damage - b.damage) / Double(b.byteCount - a.byteCount)
        }
        var kept: [EncodingCost] = []
        for cost in costs.sorted(by: { ($0.byteCount, $0.damage) < ($1.byteCount, $1.damage) }) {
            // More bytes must reduce the divergence.
            if let last = kept.last, cost.damage >= last.damage || cost.byteCount == last.byteCount {
                continue
            }
            while kept.count > 1,
                rate(kept[kept.count - 2], kept[kept.count - 1]) <= rate(kept[kept.count - 1], cost)
            {
                kept.removeLast()
            }
            kept.append(cost)
        }
        return kept
    }
}

extension TensorGroup {
    /// Splits a vocabulary into blocks of rows, with their shares of its costs.
    package func blocks(
        _ tokens: TokenShares, _ costs: [EncodingCost]
    ) -> [(group: TensorGroup, costs: [EncodingCost])] {
        tokens.blocks.map { rows, share in
            let part = Double(rows.count) / Double(tokens.tokenCount)
            let own = costs.map { cost in
                EncodingCost(
                    cost.encoding, byteCount: Int((Double(cost.byteCount) * part).rounded(.up)),
                    damage: cost.damage * share)
            }
            return (TensorGroup(keys: keys, rows: rows), own)
        }
    }
}
