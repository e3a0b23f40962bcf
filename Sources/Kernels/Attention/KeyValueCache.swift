// SPDX-License-Identifier: Apache-2.0
// The KV cache of one layer: keys and values of all earlier positions. Keys are a growing weight matrix: its rows are positions, in tiles
// of 16, so that scores are ordinary products. Values are rows of channels; 8-bit values are, chunk by chunk, the weights of a
// matrix whose rows are channels and whose columns are positions.

import KernelCore
import Platform

/// The storage of keys and values.
package enum CacheEncoding: Sendable, CaseIterable {
    case float32
    case float16
    /// 8-bit codes with a binary16 scale per position and 32 channels.
    case int8

    /// Whether the encoding can store heads of this size.
    package func accepts(headSize: Int) -> Bool {
        headSize > 0 && (self != .int8 || headSize % groupColumns == 0)
    }

    /// Bytes of a tile of 16 positions of one head.
    func keyTileByteCount(headSize: Int) -> Int {
        switch self {
        case .float32: headSize * laneCount * 4
        case .float16: headSize * laneCount * 2
        case .int8: GroupLayout.keys.byteCount(groupCount: headSize / groupColumns)
        }
    }

    /// Bytes of one position of one head; floating-point encodings pad the channels with zeros to a multiple of 16.
    func valueByteCount(headSize: Int) -> Int {
        switch self {
        case .float32: paddedSize(headSize) * 4
        case .float16: paddedSize(headSize) * 2
        case .int8: headSize + headSize / groupColumns * 2
        }
    }
}

/// The smallest multiple of 16 that is at least the head size.
func paddedSize(_ headSize: Int) -> Int { (headSize + laneCount - 1) / laneCount * laneCount }

/// A layer's keys and values [heads × positions × headSize].
///
/// Memory becomes resident as positions are appended. The owner of the sequence knows which positions are valid;
/// overwriting later positions shortens a sequence.
package final class KeyValueCache: @unchecked Sendable {
    package let keyValueHeadCount: Int
    package let headSize: Int
    /// The maximum number of positions.
    package let capacity: Int
    package let encoding: CacheEncoding
    let keyTileByteCount: Int
    let valueByteCount: Int
    private let keys: AlignedBuffer<UInt8>
    private let values: AlignedBuffer<UInt8>
    /// The exponents of numbers beyond the encoding's range.
    let exponents: CacheExponents

    /// - Throws: `AllocationError`.
    /// - Precondition: sizes are positive, and the encoding accepts the head size.
    package init(
        keyValueHeadCount: Int, headSize: Int, capacity: Int, encoding: CacheEncoding
    ) throws(AllocationError) {
        precondition(keyValueHeadCount > 0 && capacity > 0, "KeyValueCache: sizes must be positive")
        precondition(
            encoding.accepts(headSize: headSize),
            "KeyValueCache: \(encoding) cannot hold heads of size \(headSize)")
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.capacity = capacity
        self.encoding = encoding
        keyTileByteCount = encoding.keyTileByteCount(headSize: headSize)
        valueByteCount = encoding.valueByteCount(headSize: headSize)
        let (heads, tiles) = (keyValueHeadCount, Self.tileCount(capacity))
        keys = try AlignedBuffer(count: heads.saturatingProduct(tiles).saturatingProduct(keyTileByteCount))
        values = try AlignedBuffer(
            count: heads.saturatingProduct(tiles * laneCount).saturatingProduct(valueByteCount))
        exponents = CacheExponents(
            headCount: heads, positionCount: tiles * laneCount,
            byteCount: heads.saturatingProduct(2 * tiles * laneCount))
    }

    package var allocatedByteCount: Int { keys.byteCount + values.byteCount }

    /// Bytes of a full cache; `Int.max` on overflow.
    /// - Precondition: sizes are positive and the encoding accepts the head size.
    package static func byteCount(
        keyValueHeadCount: Int, headSize: Int, capacity: Int, encoding: CacheEncoding
    ) -> Int {
        precondition(
            encoding.accepts(headSize: headSize), "KeyValueCache: encoding cannot hold heads of this size")
        precondition(keyValueHeadCount > 0 && capacity > 0, "KeyValueCache: sizes must be positive")
        let perTile =
            encoding.keyTileByteCount(headSize: headSize) + laneCount
            * encoding.valueByteCount(headSize: headSize)
        return keyValueHeadCount.saturatingProduct(tileCount(capacity)).saturatingProduct(perTile)
    }

    /// Bytes in a chunk of 8-bit values: of its scales, and of a tile of 16 channels.
    var valueScaleByteCount: Int { Self.chunkSize * headSize / groupColumns * 2 }
    var valueTileByteCount: Int { Self.chunkSize * laneCount }

    /// Bytes of one position in all heads.
    package var bytesPerPosition: Int {
        keyValueHeadCount * (keyTileByteCount / laneCount + valueByteCount)
    }

    /// Another cache with the same first `prefix` positions; the others are empty.
    /// - Throws: `AllocationError`.
    /// - Precondition: 0 ≤ prefix ≤ capacity.
    package func copy(prefix: Int) throws(AllocationError) -> KeyValueCache {
        precondition(prefix >= 0 && prefix <= capacity, "KeyValueCache: prefix outside of the cache")
        let copy = try KeyValueCache(
            keyValueHeadCount: keyValueHeadCount, headSize: headSize, capacity: capacity, encoding: encoding)
        for (target, source) in zip(copy.parts(prefix: prefix), parts(prefix: prefix)) {
            target.copyMemory(from: UnsafeRawBufferPointer(source))
        }
        copy.exponents.copy(from: exponents, prefix: Self.tileCount(prefix) * laneCount)
        return copy
    }

    /// Positions that attention processes together.
    static let chunkSize = 128

    /// The number of key tiles, rounded up to whole chunks.
    static func tileCount(_ positions: Int) -> Int {
        (positions / chunkSize + (positions % chunkSize == 0 ? 0 : 1)) * (chunkSize / laneCount)
    }

    /// Tiles of 16 positions of one head.
    func keyTiles(head: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(keys.baseAddress) + head * Self.tileCount(capacity) * keyTileByteCount
    }

    /// Rows of channels of one head.
    ///
    /// For 8-bit values a chunk is, for each group of 32 positions and each 32 channels, the scales [positions] in binary16; then
    /// for each 16 channels a tile of signed codes, ordered as in `TensorEncoding.int8`.
    func valueRows(head: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(values.baseAddress)
            + head * Self.tileCount(capacity) * laneCount * valueByteCount
    }
}

extension Int {
    /// The product of two non-negative numbers, or `Int.max` on overflow.
    package func saturatingProduct(_ other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}
