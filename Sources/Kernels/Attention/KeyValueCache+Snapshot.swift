// SPDX-License-Identifier: Apache-2.0
// The first positions of a layer's cache as bytes, head after head: whole chunks of key tiles, then of value rows; apart from them the
// exponents, if there are any.

import KernelCore

extension KeyValueCache {
    /// Bytes of the first positions, without exponents.
    /// - Precondition: 0 ≤ prefix ≤ capacity.
    package func snapshotByteCount(prefix: Int) -> Int { parts(prefix: prefix).reduce(0) { $0 + $1.count } }

    /// Bytes of the exponents of the first positions.
    package func exponentByteCount(prefix: Int) -> Int {
        2 * keyValueHeadCount * Self.tileCount(prefix) * laneCount
    }

    /// Whether a snapshot of these positions is incomplete without exponents.
    package var hasExponents: Bool { exponents.areUsed }

    /// Keys and values of the first positions, alternating, head after head.
    /// - Precondition: 0 ≤ prefix ≤ capacity.
    package func parts(prefix: Int) -> [UnsafeMutableRawBufferPointer] {
        precondition(prefix >= 0 && prefix <= capacity, "KeyValueCache: prefix outside of the cache")
        let tiles = Self.tileCount(prefix)
        return (0..<keyValueHeadCount).flatMap { head in
            [
                UnsafeMutableRawBufferPointer(start: keyTiles(head: head), count: tiles * keyTileByteCount),
                UnsafeMutableRawBufferPointer(
                    start: valueRows(head: head), count: tiles * laneCount * valueByteCount),
            ]
        }
    }

    /// The exponents of the first positions; allocates them.
    package func exponentParts(prefix: Int) -> [UnsafeMutableRawBufferPointer] {
        exponents.parts(prefix: Self.tileCount(prefix) * laneCount)
    }

    /// Copies the bytes of the first positions into this cache.
    ///
    /// - Parameter stored: the exponents of these positions; nil for zeros.
    /// - Returns: false if a number in them is not finite; the contents of the cache are then invalid.
    /// - Precondition: the byte counts are those of a snapshot of this prefix.
    package func restore(
        prefix: Int, from bytes: UnsafeRawBufferPointer, exponents stored: UnsafeRawBufferPointer?
    ) -> Bool {
        Self.fill(parts(prefix: prefix), from: bytes)
        if let stored {
            guard stored.allSatisfy({ $0 <= CacheExponents.maximum }) else { return false }
            Self.fill(exponentParts(prefix: prefix), from: stored)
        } else if hasExponents {
            // Clear the exponents of an earlier sequence.
            for part in exponentParts(prefix: prefix) { part.initializeMemory(as: UInt8.self, repeating: 0) }
        }
        return parts(prefix: prefix).enumerated().allSatisfy { index, part in
            let part = UnsafeRawBufferPointer(part)
            return index % 2 == 0 ? hasFiniteKeys(part) : hasFiniteValues(part)
        }
    }

    private static func fill(_ parts: [UnsafeMutableRawBufferPointer], from bytes: UnsafeRawBufferPointer) {
        precondition(
            parts.reduce(0) { $0 + $1.count } == bytes.count, "KeyValueCache: a snapshot of another size")
        var position = 0
        for part in parts {
            part.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[position..<position + part.count]))
            position += part.count
        }
    }

    private func hasFiniteKeys(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // In an 8-bit tile only the scales are floating-point numbers, and they come first.
        hasFiniteNumbers(bytes, every: keyTileByteCount, scales: headSize / groupColumns * laneCount * 2)
    }

    private func hasFiniteValues(_ bytes: UnsafeRawBufferPointer) -> Bool {
        hasFiniteNumbers(bytes, every: Self.chunkSize * valueByteCount, scales: valueScaleByteCount)
    }

    private func hasFiniteNumbers(_ bytes: UnsafeRawBufferPointer, every stride: Int, scales: Int) -> Bool {
        switch encoding {
        case .float32:
            return bytes.bindMemory(to: UInt32.self).allSatisfy { $0 & 0x7F80_0000 != 0x7F80_0000 }
        case .float16: return bytes.bindMemory(to: UInt16.self).allSatisfy { $0 & 0x7C00 != 0x7C00 }
        case .int8:
            for start in Swift.stride(from: 0, to: bytes.count, by: stride) {
                let part = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + scales)])
                guard part.bindMemory(to: UInt16.self).allSatisfy({ $0 & 0x7C00 != 0x7C00 }) else {
                    return false
                }
            }
            return true
        }
    }
}
