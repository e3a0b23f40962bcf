// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (RoPE, arXiv:2104.09864): angles are computed in Double once per batch of positions, and
// all heads and layers share them.

import Glibc
import KernelCore
import Platform

/// The mapping from positions to angles: angle[i] = position · inverseFrequencies[i].
package struct RotaryTable: Sendable {
    /// A class whose identity distinguishes tables.
    final class Storage: Sendable {
        let inverseFrequencies: [Float]
        let magnitude: Float

        init(inverseFrequencies: [Float], magnitude: Float) {
            self.inverseFrequencies = inverseFrequencies
            self.magnitude = magnitude
        }

        /// Elements of a tile of 16 positions: cosines and sines of every pair.
        var tileElementCount: Int { inverseFrequencies.count * 2 * laneCount }

        /// Cosine and sine of a pair's angle at a position, computed in Double.
        func angle(position: Int, pair: Int) -> (cosine: Float, sine: Float) {
            let angle = Double(position) * Double(inverseFrequencies[pair])
            return (Float(cos(angle) * Double(magnitude)), Float(sin(angle) * Double(magnitude)))
        }
    }
    let storage: Storage

    /// - inverseFrequencies: [rotated elements of a head / 2], with all scaling applied.
    /// - magnitude: factor of all cosines and sines; 1, or the attention factor of YaRN (arXiv:2309.00071).
    package init(inverseFrequencies: [Float], magnitude: Float = 1) {
        storage = Storage(inverseFrequencies: inverseFrequencies, magnitude: magnitude)
    }

    /// Pairs of a head that are rotated.
    var pairCount: Int { storage.inverseFrequencies.count }
}

/// Cosines and sines of the batch of positions that a table was last used for.
package final class RotaryAngles {
    let table: RotaryTable.Storage
    private(set) var positions = 0..<0
    /// [positions × half] each.
    private var cosines, sines: AlignedBuffer<Float>

    init(_ table: RotaryTable.Storage) throws(AllocationError) {
        self.table = table
        cosines = try AlignedBuffer(count: 0)
        sines = try AlignedBuffer(count: 0)
    }

    /// Makes room for the angles of this many positions.
    func reserve(_ positionCount: Int) throws(AllocationError) {
        let count = positionCount * table.inverseFrequencies.count
        guard count > cosines.count else { return }
        (cosines, sines) = (try AlignedBuffer(count: count), try AlignedBuffer(count: count))
        positions = 0..<0
    }

    var count: Int { positions.count }
    var byteCount: Int { cosines.byteCount + sines.byteCount }

    static func byteCount(positionCount: Int, pairCount: Int) -> Int {
        2 * AlignedBuffer<Float>.byteCount(positionCount * pairCount)
    }

    func cosines(ofToken token: Int) -> UnsafePointer<Float> {
        UnsafePointer(cosines.baseAddress) + token * table.inverseFrequencies.count
    }
    func sines(ofToken token: Int) -> UnsafePointer<Float> {
        UnsafePointer(sines.baseAddress) + token * table.inverseFrequencies.count
    }

    /// Computes the angles of `positions`, on all threads if there are many; the room must exist.
    func fill(_ positions: Range<Int>, _ compute: Compute) {
        let half = table.inverseFrequencies.count
        compute.split(positions.count, elementCount: positions.count * half * 32) { part in
            for t in part {
                for i in 0..<half {
                    let (cosine, sine) = table.angle(position: positions.lowerBound + t, pair: i)
                    cosines.baseAddress[t * half + i] = cosine
                    sines.baseAddress[t * half + i] = sine
                }
            }
        }
        self.positions = positions
    }
}

extension Compute {
    /// The angles of a batch of positions, valid until the next call with the same table.
    ///
    /// - Precondition: the positions are not negative, and the room is reserved or the system grants it.
    package func angles(_ rotary: RotaryTable, _ positions: Range<Int>) -> RotaryAngles {
        precondition(positions.lowerBound >= 0, "angles: a position cannot be negative")
        let angles = granted(try reserveAngles(rotary, positions.count))
        // Every layer asks for the same positions.
        if angles.positions != positions { angles.fill(positions, self) }
        return angles
    }

    /// The table's angles, with room for a batch of positions.
    @discardableResult
    func reserveAngles(_ rotary: RotaryTable, _ positionCount: Int) throws(AllocationError) -> RotaryAngles {
        let angles: RotaryAngles
        if let known = rotaryAngles.first(where: { $0.table === rotary.storage }) {
            angles = known
        } else {
            // A model has one or two tables; there are more only when models change.
            if rotaryAngles.count >= 4 { rotaryAngles.removeFirst() }
            angles = try RotaryAngles(rotary.storage)
            rotaryAngles.append(angles)
        }
        try angles.reserve(positionCount)
        return angles
    }
}
