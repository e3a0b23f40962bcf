// SPDX-License-Identifier: Apache-2.0
// Which weights get 8 bits where not all can: of an 8-bit model one group of matrices after the other runs in 4 bits, and
// those whose damage by byte is largest keep 8. Damages add up well enough, since each is small. A vocabulary's damage is
// shared out over its rows by how likely their tokens are.

import Conversion
import Evaluation
import Formats
import Kernels
import Platform
import Quantization
import Tiller
import Transformer

/// Weights that share a fate.
package struct TensorGroup: Sendable, Hashable {
    package let keys: Set<TensorKey>
    /// Rows of the matrices; nil takes all.
    package let rows: Range<Int>?
    /// What 8 bits cost more than 4.
    package let extraByteCount: Int

    package init(keys: Set<TensorKey>, rows: Range<Int>? = nil, extraByteCount: Int) {
        self.keys = keys
        self.rows = rows
        self.extraByteCount = extraByteCount
    }

    /// The groups of two conversions of one model: the head (and embedding); in each layer query and key, value,
    /// attention's output, gate and up, down. The head comes first.
    static func all(low: TillerFile, high: TillerFile) -> [TensorGroup] {
        let roles: [[TensorRole]] = [[.query, .key], [.value], [.attentionOutput], [.gate, .up], [.down]]
        let head = [TensorKey(.tokenEmbedding, nil), TensorKey(.output, nil)]
        let layers = (0..<low.manifest.configuration.layerCount).flatMap { layer in
            roles.map { $0.map { TensorKey($0, layer) } }
        }
        return ([head] + layers).compactMap { keys in
            let extra = keys.reduce(0) { sum, key in
                guard let a = low.tensorIndex[key.role, key.layer],
                    let b = high.tensorIndex[key.role, key.layer]
                else { return sum }
                return sum + b.byteCount.roundedUp(to: 64) - a.byteCount.roundedUp(to: 64)
            }
            // Rows that neither encoding holds are alike in both.
            return extra > 0 ? TensorGroup(keys: Set(keys), extraByteCount: extra) : nil
        }
    }
}

extension TensorGroup {
    /// Blocks of rows in place of a whole vocabulary, with their shares of its damage.
    package func blocks(_ tokens: TokenShares, damage: Double) -> [(group: TensorGroup, damage: Double)] {
        tokens.blocks.map { rows, share in
            let bytes = Double(extraByteCount) * Double(rows.count) / Double(tokens.tokenCount)
            return (
                TensorGroup(keys: keys, rows: rows, extraByteCount: Int(bytes.rounded(.up))), damage * share
            )
        }
    }
}

/// Groups by their damage for each byte, greatest first.
package struct BitAllocation {
    /// A group and the KL divergence that 4 bits for it alone cause.
    private(set) var ranking: [(group: TensorGroup, damage: Double)] = []

    /// Measures every group.
    ///
    /// - Parameters:
    ///   - low, high: the model in 4 and in 8 bits.
    ///   - lists: tokens of some short texts.
    ///   - tokens: how likely each token is.
    ///   - progress: called with (groups done, groups in all); false stops.
    /// - Throws: `CancellationError` when stopped, or `FormatError`.
    init(
        low: Engine, high: Engine, lists: [[Int32]], tokens: TokenShares, progress: (Int, Int) -> Bool
    ) throws {
        let probe = DamageProbe(high, lists: lists)
        let groups = TensorGroup.all(low: low.file, high: high.file)
        for (index, group) in groups.enumerated() {
            guard progress(index, groups.count) else { throw CancellationError() }
            let model = try Model(file: high.file, substitute: low.file) { role, layer in
                group.keys.contains(TensorKey(role, layer))
            }
            let damage = probe.damage(of: model)
            let isVocabulary = group.keys.contains { $0.role.isVocabulary }
            ranking += isVocabulary ? group.blocks(tokens, damage: damage) : [(group, damage)]
        }
        ranking.sort {
            $0.damage / Double($0.group.extraByteCount) > $1.damage / Double($1.group.extraByteCount)
        }
    }

    /// Ranks groups whose damages are known.
    package init(_ damages: [(group: TensorGroup, damage: Double)]) {
        ranking = damages.sorted {
            $0.damage / Double($0.group.extraByteCount) > $1.damage / Double($1.group.extraByteCount)
        }
    }

    /// What gets 8 bits where so many bytes are to spare.
    ///
    /// By rank, and again with each of the large groups taken first, since what is taken by rank may leave no room for
    /// them; the choice with the least damage left wins.
    package func upgrades(byteCount: Int) -> Set<TensorGroup> {
        let large = ranking.indices.filter { ranking[$0].group.extraByteCount > byteCount / 8 }
        let choices = [greedy(byteCount, first: nil)] + large.map { greedy(byteCount, first: $0) }
        return choices.min { $0.damage < $1.damage }?.groups ?? []
    }

    private func greedy(_ byteCount: Int, first: Int?) -> (groups: Set<TensorGroup>, damage: Double) {
        var rest = byteCount
        var groups: Set<TensorGroup> = []
        var damage = 0.0
        for index in [first].compactMap(\.self) + ranking.indices.filter({ $0 != first }) {
            let (group, own) = ranking[index]
            if group.extraByteCount <= rest {
                rest -= group.extraByteCount
                groups.insert(group)
            } else {
                damage += own
            }
        }
        return (groups, damage)
    }
}

/// Holds variants of a model against it over a few positions.
private struct DamageProbe {
    /// Positions before see too little of the text to say much.
    private static let firstPosition = 16
    private static let largestByteCount = 64 << 20

    private let engine: Engine
    private let lists: [[Int32]]
    /// The model's logits [positions × vocabularySize].
    private let rows: AlignedBuffer<Float>
    private let cache: KeyValueCache

    init(_ engine: Engine, lists: [[Int32]]) {
        let configuration = engine.model.configuration
        let width = configuration.vocabularySize
        let count = max(4, Self.largestByteCount / 4 / width / max(lists.count, 1))
        self.engine = engine
        self.lists = lists.map { Array($0.prefix(Self.firstPosition + count + 1)) }
        let longest = self.lists.map(\.count).max() ?? 1
        cache = KeyValueCache(
            layerCount: configuration.layerCount, keyValueHeadCount: configuration.keyValueHeadCount,
            headSize: configuration.headSize, capacity: longest, encoding: engine.cacheEncoding)
        let rowCount = self.lists.reduce(0) { $0 + max(0, $1.count - 1 - Self.firstPosition) }
        rows = AlignedBuffer(count: max(rowCount, 1) * width)
        let rows = rows
        visit(engine.model) { row, logits, _ in
            guard let base = logits.baseAddress else { return }
            (rows.baseAddress + row * width).update(from: base, count: width)
        }
    }

    /// The mean KL divergence of a variant.
    func damage(of model: Model) -> Double {
        var divergences = RunningMean()
        let width = model.configuration.vocabularySize
        visit(model) { row, logits, next in
            let reference = UnsafeBufferPointer(start: rows.baseAddress + row * width, count: width)
            divergences.add(PositionDivergence(reference: reference, model: logits, next: next).divergence)
        }
        return divergences.mean
    }

    private func visit(_ model: Model, _ body: @escaping (Int, UnsafeBufferPointer<Float>, Int) -> Void) {
        let pass = ForwardPass(model: model, compute: engine.compute)
        var row = 0
        for list in lists where list.count > Self.firstPosition + 1 {
            list.withUnsafeBufferPointer { tokens in
                pass.evaluate(
                    UnsafeBufferPointer(rebasing: tokens[..<Self.firstPosition]), cache: cache,
                    Evaluation(firstPosition: 0), request: .none)
                let scored = UnsafeBufferPointer(
                    rebasing: tokens[Self.firstPosition..<tokens.count - 1])
                let first = row
                pass.evaluate(
                    scored, cache: cache, Evaluation(firstPosition: Self.firstPosition),
                    request: .all { index, logits in
                        body(first + index, logits, Int(list[Self.firstPosition + index + 1]))
                    })
                row += scored.count
            }
        }
    }
}
