// SPDX-License-Identifier: Apache-2.0
// Large biases of keys, which Qwen 2 has in a few channels. In an 8-bit cache they would dominate the scale of all channels
// of their group; in a binary16 cache they would consume precision. Attention instead adds their contribution to a score
// exactly (KernelCore/KeyBias.swift).

import KernelCore
import Platform

/// The part of a layer's key bias that a rounding cache omits.
///
/// It belongs to pairs (i, i + half) of channels, which RoPE rotates together. A pair is omitted if its bias is more than
/// twice as large as its head's keys without the bias: smaller biases cost the cache little, but would cost attention time.
package final class KeyBias: Sendable {
    /// The remaining bias, added before RoPE [keyValueHeadCount × headSize].
    package let rest: WeightVector
    let rotary: RotaryTable
    let headSize: Int
    /// The omitted pairs, head after head, and the index of each head's first pair; the last element is the total count.
    let pairs: [Int32]
    let firstPairs: [Int]
    /// `rest`, followed by the biases of both channels for each of `pairs`.
    private let values: AlignedBuffer<Float>
    private let width: Int

    /// Returns nil if no bias is large.
    ///
    /// - bias: [keyValueHeadCount × headSize].
    /// - keys, gains: The projection, and the gains of the norm before it, which together give an estimate of the keys' size.
    /// - rotary: The table that rotates these keys.
    package init?(
        _ bias: WeightVector, keys: WeightMatrix, gains: WeightVector, rotary: RotaryTable, headSize: Int
    ) {
        precondition(
            headSize > 0 && bias.count % headSize == 0 && keys.rows == bias.count
                && keys.columns == gains.count && rotary.pairCount * 2 <= headSize,
            "KeyBias: shapes differ")
        let headCount = bias.count / headSize, half = rotary.pairCount
        var pairs: [Int32] = [], firstPairs: [Int] = []
        for head in 0..<headCount {
            firstPairs.append(pairs.count)
            let limit = 4 * Self.meanSquare(keys, gains, rows: head * headSize..<(head + 1) * headSize)
            let b = bias.baseAddress + head * headSize
            for i in 0..<half where Double(b[i] * b[i] + b[i + half] * b[i + half]) > limit {
                pairs.append(Int32(i))
            }
        }
        guard !pairs.isEmpty else { return nil }
        firstPairs.append(pairs.count)
        values = .granted(count: bias.count + 2 * pairs.count)
        values.baseAddress.update(from: bias.baseAddress, count: bias.count)
        for head in 0..<headCount {
            for index in firstPairs[head]..<firstPairs[head + 1] {
                for (part, channel) in [Int(pairs[index]), Int(pairs[index]) + half].enumerated() {
                    let place = head * headSize + channel
                    values[bias.count + 2 * index + part] = values[place]
                    values[place] = 0
                }
            }
        }
        rest = WeightVector(
            bytes: UnsafeRawBufferPointer(start: values.baseAddress, count: bias.count * 4))
        (self.pairs, self.firstPairs, self.rotary, self.headSize) = (pairs, firstPairs, rotary, headSize)
        width = bias.count
    }

    /// The largest number of pairs per head.
    var pairCount: Int { zip(firstPairs, firstPairs.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) } }

    /// The mean square of a head's keys without their bias, estimated from some of its rows: the elements of a normalized
    /// residual stream have a mean square of 1.
    private static func meanSquare(_ keys: WeightMatrix, _ gains: WeightVector, rows: Range<Int>) -> Double {
        let step = max(1, rows.count / 8)
        let sample = stride(from: rows.lowerBound, to: rows.upperBound, by: step)
        let row = AlignedBuffer<Float>.granted(count: keys.columns)
        var sum = 0.0, count = 0.0
        for index in sample {
            keys.copyRow(index, scale: 1, into: row.baseAddress)
            for c in 0..<keys.columns {
                let weight = Double(row.baseAddress[c] * gains.baseAddress[c])
                sum += weight * weight
            }
            count += 1
        }
        return sum / count
    }

    /// Computes the factors of cosines and sines of one head's pairs for some queries.
    ///
    /// - queries: [rowCount × headSize], rotated.
    /// - output: [rowCount × pairs of the head × 2].
    func fillFactors(
        head: Int, queries: UnsafePointer<Float>, rowCount: Int, into output: UnsafeMutablePointer<Float>
    ) {
        let half = rotary.pairCount
        var output = output
        for row in 0..<rowCount {
            let query = queries + row * headSize
            for index in firstPairs[head]..<firstPairs[head + 1] {
                let i = Int(pairs[index])
                let bias = values.baseAddress + (width + 2 * index)
                output[0] = query[i] * bias[0] + query[i + half] * bias[1]
                output[1] = query[i + half] * bias[0] - query[i] * bias[1]
                output += 2
            }
        }
    }
}

/// Cosines and sines of all positions of a context: tiles of 16 positions, in each 16 cosines and 16 sines of every pair.
final class RotaryTiles {
    let table: RotaryTable.Storage
    let capacity: Int
    private let tiles: AlignedBuffer<Float>
    /// Positions that are filled.
    private var count = 0

    init(_ table: RotaryTable.Storage, capacity: Int) throws(AllocationError) {
        (self.table, self.capacity) = (table, capacity)
        tiles = try AlignedBuffer(
            count: Self.elementCount(capacity: capacity, pairCount: table.inverseFrequencies.count))
    }

    var byteCount: Int { tiles.byteCount }

    static func byteCount(capacity: Int, pairCount: Int) -> Int {
        AlignedBuffer<Float>.byteCount(elementCount(capacity: capacity, pairCount: pairCount))
    }

    private static func elementCount(capacity: Int, pairCount: Int) -> Int {
        KeyValueCache.tileCount(capacity) * laneCount * 2 * pairCount
    }

    func tile(_ index: Int) -> UnsafePointer<Float> {
        UnsafePointer(tiles.baseAddress) + index * table.tileElementCount
    }

    /// Computes the missing positions below `end`.
    func fill(upTo end: Int, _ compute: Compute) {
        guard end > count else { return }
        let first = count, half = table.inverseFrequencies.count
        compute.split(end - first, elementCount: (end - first) * half * 32) { part in
            for position in part.lowerBound + first..<part.upperBound + first {
                let tile = tiles.baseAddress + position / laneCount * table.tileElementCount
                for i in 0..<half {
                    let (cosine, sine) = table.angle(position: position, pair: i)
                    tile[2 * i * laneCount + position % laneCount] = cosine
                    tile[(2 * i + 1) * laneCount + position % laneCount] = sine
                }
            }
        }
        count = end
    }
}

extension Compute {
    /// The angles of all positions below `end`, in a buffer for `capacity` positions, which is reserved or granted.
    func rotaryTiles(_ rotary: RotaryTable, upTo end: Int, capacity: Int) -> RotaryTiles {
        let tiles = granted(try reserveRotaryTiles(rotary, capacity: capacity))
        tiles.fill(upTo: end, self)
        return tiles
    }

    /// The buffer for the angles of all positions of a context.
    /// - Throws: `AllocationError`.
    @discardableResult
    func reserveRotaryTiles(_ rotary: RotaryTable, capacity: Int) throws(AllocationError)
        -> RotaryTiles
    {
        let tiles: RotaryTiles
        if let known = rotaryTiles.first(where: { $0.table === rotary.storage && $0.capacity >= capacity }) {
            tiles = known
        } else {
            rotaryTiles.removeAll { $0.table === rotary.storage }
            // As for `angles`: a model has one or two tables.
            if rotaryTiles.count >= 4 { rotaryTiles.removeFirst() }
            tiles = try RotaryTiles(rotary.storage, capacity: capacity)
            rotaryTiles.append(tiles)
        }
        return tiles
    }
}
