// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (arXiv:2104.09864): angles are computed in Double once for each batch of positions, and
// shared by all heads and layers.

import Glibc
import KernelCore
import Platform

/// What turns positions into angles: angle[i] = position · inverseFrequencies[i].
package struct RotaryTable: Sendable {
    /// Its identity tells tables apart.
    final class Storage: Sendable {
        let inverseFrequencies: [Float]
        let magnitude: Float

        init(inverseFrequencies: [Float], magnitude: Float) {
            self.inverseFrequencies = inverseFrequencies
            self.magnitude = magnitude
        }
    }
    let storage: Storage

    /// - inverseFrequencies: [rotated elements of a head / 2], with all scaling applied.
    /// - magnitude: factor of all cosines and sines; 1, or the attention factor of YaRN (arXiv:2309.00071).
    package init(inverseFrequencies: [Float], magnitude: Float = 1) {
        storage = Storage(inverseFrequencies: inverseFrequencies, magnitude: magnitude)
    }
}

/// Cosines and sines of the batch of positions that a table was last used for.
final class RotaryAngles {
    let table: RotaryTable.Storage
    private(set) var firstPosition = 0
    private(set) var count = 0
    /// [count × half] each.
    private(set) var cosines = AlignedBuffer<Float>(count: 0)
    private(set) var sines = AlignedBuffer<Float>(count: 0)

    init(_ table: RotaryTable.Storage) { self.table = table }

    func covers(_ positions: Range<Int>) -> Bool {
        firstPosition <= positions.lowerBound && positions.upperBound <= firstPosition + count
    }

    /// Computes the angles of `positions`, on all threads where there are many.
    func fill(_ positions: Range<Int>, _ compute: Compute) {
        let half = table.inverseFrequencies.count
        if positions.count * half > cosines.count {
            cosines = AlignedBuffer(count: positions.count * half)
            sines = AlignedBuffer(count: positions.count * half)
        }
        compute.split(positions.count, elementCount: positions.count * half * 32) { part in
            for t in part {
                let position = Double(positions.lowerBound + t)
                for i in 0..<half {
                    let angle = position * Double(table.inverseFrequencies[i])
                    cosines.baseAddress[t * half + i] = Float(cos(angle) * Double(table.magnitude))
                    sines.baseAddress[t * half + i] = Float(sin(angle) * Double(table.magnitude))
                }
            }
        }
        firstPosition = positions.lowerBound
        count = positions.count
    }
}

extension Compute {
    /// Rotates pairs (i, i + half) of every head in place by the angles of its token's position (NeoX order).
    ///
    /// - x: [tokenCount × headCount × headSize]; elements beyond twice the table's frequencies stay as they are.
    /// - firstPosition: of the first token; the others follow.
    package func rotate(
        _ x: AlignedBuffer<Float>, table rotary: RotaryTable, firstPosition: Int, tokenCount: Int,
        headCount: Int,
        headSize: Int
    ) {
        let half = rotary.storage.inverseFrequencies.count
        precondition(headCount >= 0 && 2 * half <= headSize, "rotate: more frequencies than pairs in a head")
        precondition(firstPosition >= 0, "rotate: a position cannot be negative")
        check(x, holds: tokenCount, by: headCount * headSize, "rotate")
        let angles = rotaryAngles(rotary.storage, firstPosition..<firstPosition + tokenCount)
        let skipped = firstPosition - angles.firstPosition
        split(tokenCount, elementCount: tokenCount * headCount * headSize) { part in
            for t in part {
                self.table.rotate(
                    x.baseAddress + t * headCount * headSize,
                    angles.cosines.baseAddress + (skipped + t) * half,
                    angles.sines.baseAddress + (skipped + t) * half, half, headCount, headSize)
            }
        }
    }

    private func rotaryAngles(_ table: RotaryTable.Storage, _ positions: Range<Int>) -> RotaryAngles {
        let angles: RotaryAngles
        if let known = rotaryAngles.first(where: { $0.table === table }) {
            angles = known
        } else {
            // A model has one or two tables; more are only seen when models come and go.
            if rotaryAngles.count >= 4 { rotaryAngles.removeFirst() }
            angles = RotaryAngles(table)
            rotaryAngles.append(angles)
        }
        if !angles.covers(positions) { angles.fill(positions, self) }
        return angles
    }
}
