// SPDX-License-Identifier: Apache-2.0
// Writes keys and values into the KV cache.

import KernelCore
import Platform

extension TokenRows {
    /// Stores the keys (already rotated) and values of consecutive positions.
    ///
    /// - key, value: [tokens × keyValueHeadCount × headSize]
    /// - firstPosition: The position of the sequence's first token; all positions must be within the cache's capacity.
    package func append(
        key: AlignedBuffer<Float>, value: AlignedBuffer<Float>, to cache: KeyValueCache, firstPosition: Int
    ) {
        let width = cache.keyValueHeadCount * cache.headSize
        check(key, width, "append")
        check(value, width, "append")
        precondition(
            firstPosition >= 0 && firstPosition - firstRow <= cache.capacity - tokens.upperBound,
            "append: positions up to \(firstPosition - firstRow + tokens.upperBound) exceed the cache")
        for t in tokens {
            for head in 0..<cache.keyValueHeadCount {
                let offset = t * width + head * cache.headSize
                let position = firstPosition + t - firstRow
                let keyExponent = cache.encoding.exponent(key.baseAddress + offset, cache.headSize)
                let valueExponent = cache.encoding.exponent(value.baseAddress + offset, cache.headSize)
                cache.exponents.set(
                    key: keyExponent, value: valueExponent, head: head, position: position)
                store(
                    key: key.baseAddress + offset, times: inverse(exponent: keyExponent), cache,
                    tile: cache.keyTiles(head: head) + position / laneCount * cache.keyTileByteCount,
                    lane: position % laneCount)
                store(
                    value: value.baseAddress + offset, times: inverse(exponent: valueExponent), cache,
                    rows: cache.valueRows(head: head), position)
            }
        }
    }

    /// Multiplies one position's key by a power of two and stores it as one SIMD lane of its tile.
    private func store(
        key: UnsafePointer<Float>, times factor: Float, _ cache: KeyValueCache, tile: UnsafeMutableRawPointer,
        lane: Int
    ) {
        switch cache.encoding {
        case .float32:
            for c in 0..<cache.headSize {
                tile.storeBytes(of: key[c], toByteOffset: (c * laneCount + lane) * 4, as: Float.self)
            }
        case .float16:
            for c in 0..<cache.headSize {
                tile.storeBytes(
                    of: halfBits(key[c] * factor), toByteOffset: (c * laneCount + lane) * 2, as: UInt16.self)
            }
        case .int8:
            let groupCount = cache.headSize / groupColumns
            let codes = tile + GroupLayout.keys.codeOffset(groupCount: groupCount)
            forEachGroup(key, times: factor, groupCount) { g, group, scale in
                tile.storeBytes(of: scale, toByteOffset: (g * laneCount + lane) * 2, as: UInt16.self)
                for j in 0..<8 {
                    // Weights are stored as q = code + 128.
                    let word = group.load(fromByteOffset: j * 4, as: UInt32.self) ^ 0x8080_8080
                    codes.storeBytes(of: word, toByteOffset: g * 512 + j * 64 + lane * 4, as: UInt32.self)
                }
            }
        }
    }

    /// Stores one position's value as one row, or for 8 bits as one column of its chunk.
    private func store(
        value: UnsafePointer<Float>, times factor: Float, _ cache: KeyValueCache,
        rows: UnsafeMutableRawPointer, _ position: Int
    ) {
        let chunk = rows + position / KeyValueCache.chunkSize * KeyValueCache.chunkSize * cache.valueByteCount
        let row = rows + position * cache.valueByteCount
        switch cache.encoding {
        case .float32: row.copyMemory(from: value, byteCount: cache.headSize * 4)
        case .float16:
            let whole = factor == 1 ? cache.headSize / laneCount * laneCount : 0
            compute.table.storeHalves(value, row, whole)
            for c in whole..<cache.headSize {
                row.storeBytes(of: halfBits(value[c] * factor), toByteOffset: c * 2, as: UInt16.self)
            }
        case .int8:
            let group = position % KeyValueCache.chunkSize / groupColumns, column = position % groupColumns
            let scales = chunk + group * cache.headSize * 2 + column * 2
            let codes = chunk + cache.valueScaleByteCount + group * 512 + column / 4 * 64 + column % 4
            forEachGroup(value, times: factor, cache.headSize / groupColumns) { g, quantized, scale in
                scales.storeBytes(of: scale, toByteOffset: g * groupColumns * 2, as: UInt16.self)
                for c in 0..<groupColumns {
                    let tile = 2 * g + c / laneCount
                    codes.storeBytes(
                        of: quantized.load(fromByteOffset: c, as: UInt8.self),
                        toByteOffset: tile * cache.valueTileByteCount + c % laneCount * 4, as: UInt8.self)
                }
            }
        }
    }

    /// Quantizes factor · x group by group; `body` gets the 32 codes and the scale as binary16.
    private func forEachGroup(
        _ x: UnsafePointer<Float>, times factor: Float, _ groupCount: Int,
        _ body: (Int, UnsafeRawPointer, UInt16) -> Void
    ) {
        for g in 0..<groupCount {
            var group = QuantizedGroup()
            compute.table.quantize(x + g * groupColumns, &group, 1)
            // A power of two changes no code. The limit is for values that are not finite.
            let scale = halfBits(min(group.scale * factor, 65504))
            withUnsafeBytes(of: &group) { bytes in
                if let base = bytes.baseAddress { body(g, base, scale) }
            }
        }
    }
}
