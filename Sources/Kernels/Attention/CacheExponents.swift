// SPDX-License-Identifier: Apache-2.0
// Keys and values that lie beyond binary16, or beyond codes of 8 bits under a scale of binary16: they are divided by a power
// of two that their position and head have of their own, and attention multiplies by it again. Both are exact.

import KernelCore
import Platform
import Synchronization

/// Powers of two of keys and values [heads of all layers × (keys, values) × positions]. Nearly no model needs them, so their
/// memory is only made for the first.
/// Threads that append positions of their own may ask for it at once: the lock makes one of them its maker.
final class CacheExponents: @unchecked Sendable {
    /// The largest: what brings the largest Float below 2¹⁵.
    static let maximum: UInt8 = 114

    private let headCount: Int
    private let positionCount: Int
    private let byteCount: Int
    private let owner = Locked<AlignedBuffer<UInt8>?>(nil)
    /// The owner's memory, once it is there.
    private let address = Atomic<UnsafeMutablePointer<UInt8>?>(nil)

    init(headCount: Int, positionCount: Int, byteCount: Int) {
        (self.headCount, self.positionCount, self.byteCount) = (headCount, positionCount, byteCount)
    }

    /// Whether there are any.
    var areUsed: Bool { address.load(ordering: .acquiring) != nil }

    /// Those of a head's positions; nil where none is needed.
    func ofKeys(head: Int) -> UnsafeMutablePointer<UInt8>? { ofPart(2 * head) }
    func ofValues(head: Int) -> UnsafeMutablePointer<UInt8>? { ofPart(2 * head + 1) }

    private func ofPart(_ part: Int) -> UnsafeMutablePointer<UInt8>? {
        address.load(ordering: .acquiring).map { $0 + part * positionCount }
    }

    /// Sets those of one position, whatever an earlier sequence left there.
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

    /// Takes over the first positions' of another cache of the same shape.
    func copy(from other: CacheExponents, prefix: Int) {
        guard other.areUsed else { return }
        for (to, from) in zip(parts(prefix: prefix), other.parts(prefix: prefix)) {
            to.copyMemory(from: .init(from))
        }
    }

    /// The first positions' of every head, keys and values by turns.
    func parts(prefix: Int) -> [UnsafeMutableRawBufferPointer] {
        let base = memory()
        return (0..<2 * headCount).map {
            UnsafeMutableRawBufferPointer(start: base + $0 * positionCount, count: prefix)
        }
    }
}

extension CacheEncoding {
    /// The largest magnitude that can be stored as it is.
    private var largest: Float {
        switch self {
        case .float32: .greatestFiniteMagnitude
        case .float16: 65504
        case .int8: 127 * 65504
        }
    }

    /// The power of two by which numbers must be divided so that this encoding can hold them; 0 where it can anyway.
    ///
    /// - x: [count].
    func exponent(_ x: UnsafePointer<Float>, _ count: Int) -> UInt8 {
        guard self != .float32 else { return 0 }
        // As integers magnitudes are in the same order.
        var largest: UInt32 = 0
        for c in 0..<count { largest = max(largest, x[c].bitPattern & 0x7FFF_FFFF) }
        guard largest > self.largest.bitPattern else { return 0 }
        // To between half and a quarter of what can be stored.
        let exponents = Int(largest >> 23) - Int(self.largest.bitPattern >> 23) + 1
        return UInt8(exponents)
    }
}

/// 2^−exponent.
func inverse(exponent: UInt8) -> Float { Float(bitPattern: (127 - UInt32(exponent)) << 23) }

extension Attention {
    /// rows.scores[r, p] *= 2^exponent[p] for some tiles of a chunk.
    ///
    /// - exponents: of the head's positions.
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
