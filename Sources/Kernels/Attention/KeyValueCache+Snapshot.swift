// SPDX-License-Identifier: Apache-2.0
// The first positions of a cache as bytes, head after head: whole chunks of key tiles, then of value rows; the exponents
// follow after all heads, if there are any.

import KernelCore

extension KeyValueCache {
    /// Bytes of the first positions of one head, for keys and for values; nil on overflow.
    package static func snapshotByteCounts(
        headSize: Int, encoding: CacheEncoding, prefix: Int
    ) -> (keys: Int, values: Int)? {
        let keys = tileCount(prefix).multipliedReportingOverflow(
            by: encoding.keyTileByteCount(headSize: headSize))
        let values = (tileCount(prefix) * laneCount).multipliedReportingOverflow(
            by: encoding.valueByteCount(headSize: headSize))
        return keys.overflow || values.overflow ? nil : (keys.partialValue, values.partialValue)
    }

    /// Bytes of a head's exponents, if there are any.
    package static func snapshotExponentByteCount(prefix: Int) -> Int { 2 * tileCount(prefix) * laneCount }

    /// Whether a snapshot ends with exponents.
    package var hasExponents: Bool { exponents.areUsed }

    /// Passes the bytes of the first positions to `body`.
    /// - Precondition: 0 ≤ prefix ≤ capacity.
    package func readSnapshot(
        prefix: Int, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        for part in parts(prefix: prefix) { try body(UnsafeRawBufferPointer(part)) }
        guard hasExponents else { return }
        for part in exponents.parts(prefix: Self.tileCount(prefix) * laneCount) {
            try body(UnsafeRawBufferPointer(part))
        }
    }

    /// Copies the bytes of the first positions into this cache.
    ///
    /// - Returns: false if a number in them is not finite; the contents of the cache are then invalid.
    /// - Precondition: the byte count equals that of a snapshot of this prefix, with or without exponents.
    package func restore(prefix: Int, from bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        var isFinite = true
        func fill(_ part: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer {
            precondition(part.count <= bytes.count - position, "KeyValueCache: a snapshot of another size")
            part.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[position..<(position + part.count)]))
            position += part.count
            return UnsafeRawBufferPointer(part)
        }
        for (index, part) in parts(prefix: prefix).enumerated() {
            let part = fill(part)
            isFinite = isFinite && (index % 2 == 0 ? hasFiniteKeys(part) : hasFiniteValues(part))
        }
        if position < bytes.count {
            for part in exponents.parts(prefix: Self.tileCount(prefix) * laneCount) {
                isFinite = fill(part).allSatisfy { $0 <= CacheExponents.maximum } && isFinite
            }
        } else if hasExponents {
            // Clear the exponents of an earlier sequence.
            for part in exponents.parts(prefix: Self.tileCount(prefix) * laneCount) {
                part.initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
        precondition(position == bytes.count, "KeyValueCache: a snapshot of another size")
        return isFinite
    }

    /// Keys and values of the first positions, alternating, head after head.
    private func parts(prefix: Int) -> [UnsafeMutableRawBufferPointer] {
        precondition(prefix >= 0 && prefix <= capacity, "KeyValueCache: prefix outside of the cache")
        let tiles = Self.tileCount(prefix)
        var parts: [UnsafeMutableRawBufferPointer] = []
        for layer in 0..<layerCount {
            for head in 0..<keyValueHeadCount {
                parts.append(
                    .init(start: keyTiles(layer: layer, head: head), count: tiles * keyTileByteCount))
                parts.append(
                    .init(
                        start: valueRows(layer: layer, head: head), count: tiles * laneCount * valueByteCount)
                )
            }
        }
        return parts
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
