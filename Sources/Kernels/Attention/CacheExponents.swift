// SPDX-License-Identifier: Apache-2.0
// Keys and values beyond the range of binary16, or of 8-bit codes with a binary16 scale, are divided by a power
// of two, one per position and head, and attention multiplies by it again. Both operations are exact.

import KernelCore
import Platform
import Synchronization

/// Powers of two of a layer's keys and values [heads × (keys, values) × positions]. Very few models need them, so the first nonzero
/// exponent allocates their memory.
/// Threads that append positions may request it at once; the lock ensures that only one allocates.
final class CacheExponents: @unchecked Sendable {
    /// The largest exponent: it brings the largest Float below 2¹⁵.
    static let maximum: UInt8 = 114

    private let headCount: Int
    private let positionCount: Int
    private let byteCount: Int
    private let owner = Locked<AlignedBuffer<UInt8>?>(nil)
    /// The address of the memory once it is allocated.
    private let address = Atomic<UnsafeMutablePointer<UInt8>?>(nil)

    init(headCount: Int, positionCount: Int, byteCount: Int) {
        (self.headCount, self.positionCount, self.byteCount) = (headCount, positionCount, byteCount)
    }

    /// Whether any exponent has been stored.
    var areUsed: Bool { address.load(ordering: .acquiring) != nil }

    /// The exponents of a head's keys; nil if none is stored.
    func ofKeys(head: Int) -> UnsafeMutablePointer<UInt8>? { ofPart(2 * head) }
    func ofValues(head: Int) -> UnsafeMutablePointer<UInt8>? { ofPart(2 * head + 1) }

    private func ofPart(_ part: Int) -> UnsafeMutablePointer<UInt8>? {
        address.load(ordering: .acquiring).map { $0 + part * positionCount }
    }

    /// Sets the exponents of one position and overwrites those of an earlier sequence.
    func set(key: UInt8, value: UInt8, head: Int, position: Int) {
        guard areUsed || key != 0 || value != 0 else { return }
        let base = memory() + 2 * head * positionCount + position
        base[0] = key
        base[positionCount] = value
    }

    private func memory() -> UnsafeMutablePointer<UInt8> {
        owner.withLock { owner in
            let buffer = owner ?? .granted(count: byteCount)
            owner = buffer
            address.store(buffer.baseAddress, ordering: .releasing)
            return buffer.baseAddress
        }
    }

    /// Copies the exponents of the first positions from another cache of the same shape.
    func copy(from other: CacheExponents, prefix: Int) {
        guard other.areUsed else { return }
        for (to, from) in zip(parts(prefix: prefix), other.parts(prefix: prefix)) {
            to.copyMemory(from: .init(from))
        }
    }

    /// The exponents of every head's first positions, keys and values alternating.
    func parts(prefix: Int) -> [UnsafeMutableRawBufferPointer] {
        let base = memory()
        return (0..<2 * headCount).map {
            UnsafeMutableRawBufferPointer(start: base + $0 * positionCount, count: prefix)
        }
    }
}

extension CacheEncoding {
    /// The largest magnitude that the encoding stores without an exponent.
    private var largest: Float {
        switch self {
        case .float32: .greatestFiniteMagnitude
        case .float16: 65504
        case .int8: 127 * 65504
        }
    }

    /// The power of two by which the numbers must be divided to fit this encoding; 0 if they already fit.
    ///
    /// - x: [count].
    func exponent(_ x: UnsafePointer<Float>, _ count: Int) -> UInt8 {
        guard self != .float32 else { return 0 }
        // The bit patterns of magnitudes, read as integers, have the same order.
        var largest: UInt32 = 0
        for c in 0..<count { largest = max(largest, x[c].bitPattern & 0x7FFF_FFFF) }
        guard largest > self.largest.bitPattern else { return 0 }
        // The result is between a quarter and a half of the largest magnitude.
        let exponents = Int(largest >> 23) - Int(self.largest.bitPattern >> 23) + 1
        return UInt8(exponents)
    }
}

/// 2^−exponent.
func inverse(exponent: UInt8) -> Float { Float(bitPattern: (127 - UInt32(exponent)) << 23) }

extension Attention {
    /// rows.scores[r, p] *= 2^exponent[p] for a range of a chunk's tiles.
    ///
    /// - exponents: The exponents of the head's positions.
    func scaleScores(
        _ rows: AttentionRows, _ rowCount: Int, chunkStart: Int, _ tiles: Range<Int>,
        by exponents: UnsafeMutablePointer<UInt8>?
    ) {
        guard let exponents else { return }
        for position in tiles.lowerBound * laneCount..<tiles.upperBound * laneCount {
            let exponent = exponents[chunkStart + position]
            guard exponent != 0 else { continue }
            let factor = Float(bitPattern: (127 + UInt32(exponent)) << 23)
            for row in 0..<rowCount { rows.scores.baseAddress[row * Self.chunkSize + position] *= factor }
        }
    }
}
