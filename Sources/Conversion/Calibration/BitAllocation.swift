// SPDX-License-Identifier: Apache-2.0
// Which weights get how many bits: of an 8-bit model one group of matrices after the other runs in fewer bits, and bytes go
// where they spare most damage. Damages add up well enough, since each is small. A vocabulary's damage is shared out over
// its rows by how likely their tokens are.

import Formats
import Quantization
import Tiller
import Transformer

/// Weights that share a fate.
package struct TensorGroup: Sendable, Hashable {
    package let keys: Set<TensorKey>
    /// Rows of the matrices; nil takes all.
    package let rows: Range<Int>?

    package init(keys: Set<TensorKey>, rows: Range<Int>? = nil) {
        self.keys = keys
        self.rows = rows
    }

    var isVocabulary: Bool { keys.contains { $0.role.isVocabulary } }

    /// The head (and embedding); in each layer query and key, value, attention's output, gate and up, down.
    static func all(layerCount: Int) -> [TensorGroup] {
        let roles: [[TensorRole]] = [[.query, .key], [.value], [.attentionOutput], [.gate, .up], [.down]]
        let head = [TensorKey(.tokenEmbedding, nil), TensorKey(.output, nil)]
        let layers = (0..<layerCount).flatMap { layer in roles.map { $0.map { TensorKey($0, layer) } } }
        return ([head] + layers).map { TensorGroup(keys: Set($0)) }
    }

    /// Bytes in a file that has all of a tensor's rows in one encoding.
    func byteCount(in file: TillerFile) -> Int {
        keys.reduce(0) { sum, key in
            sum + (file.tensorIndex[key.role, key.layer]?.byteCount.roundedUp(to: 64) ?? 0)
        }
    }
}

/// What a group is in one encoding.
package struct EncodingCost: Sendable, Equatable {
    package let encoding: TensorEncoding
    package let byteCount: Int
    /// The KL divergence that this encoding of the group alone causes.
    package let damage: Double

    package init(_ encoding: TensorEncoding, byteCount: Int, damage: Double) {
        self.encoding = encoding
        self.byteCount = byteCount
        self.damage = damage
    }
}

/// Groups with what their encodings cost.
package struct BitAllocation {
    /// Costs of each group, the fewest bytes first, each the cheapest way to the damage that it leaves.
    private let groups: [(group: TensorGroup, costs: [EncodingCost])]
    /// Bytes of the largest choice.
    package let greatestByteCount: Int

    /// - Parameter groups: costs in any order.
    package init(_ groups: [(group: TensorGroup, costs: [EncodingCost])]) {
        self.groups = groups.map { ($0.group, Self.hull($0.costs)) }
        greatestByteCount = groups.reduce(0) { $0 + ($1.costs.map(\.byteCount).max() ?? 0) }
    }

    /// Measures groups.
    ///
    /// - Parameters:
    ///   - best: the model in 8 bits, of which one group after the other is replaced.
    ///   - exact: the model that damage is measured against.
    ///   - lists: tokens of some short texts.
    ///   - tokens: how likely each token is.
    ///   - variants: the model in the other encodings that a group may have.
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
            // Rows that no encoding of integers holds are alike in all.
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

    /// Bytes of the smallest choice.
    package var leastByteCount: Int { groups.reduce(0) { $0 + ($1.costs.first?.byteCount ?? 0) } }

    /// The encoding of each group where all may have so many bytes together: from the smallest choice on, the step that
    /// spares most damage by byte, as long as one fits.
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
        // Within a group rates fall, so its steps come in their order; ties are as stable as the groups' order.
        for step in steps.sorted(by: { ($0.rate, $1.group, $1.place) > ($1.rate, $0.group, $0.place) })
        where step.bytes <= rest && places[step.group] == step.place {
            rest -= step.bytes
            places[step.group] += 1
        }
        return zip(groups, places).compactMap { group, place in
            group.costs.isEmpty ? nil : (group.group, group.costs[place].encoding)
        }
    }

    /// The lower convex hull of damage over bytes.
    private static func hull(_ costs: [EncodingCost]) -> [EncodingCost] {
        func rate(_ a: EncodingCost, _ b: EncodingCost) -> Double {
            (a.damage - b.damage) / Double(b.byteCount - a.byteCount)
        }
        var kept: [EncodingCost] = []
        for cost in costs.sorted(by: { ($0.byteCount, $0.damage) < ($1.byteCount, $1.damage) }) {
            // More bytes must leave less damage.
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
    /// Blocks of rows in place of a whole vocabulary, with their shares of its costs.
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
