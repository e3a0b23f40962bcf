// SPDX-License-Identifier: Apache-2.0
// What one timeline carries from token to token: a part for each layer, in that layer's shape.

import Formats
import Kernels
import Platform

/// The state of a sequence under one model: what its layers remember of the tokens so far.
///
/// Memory becomes resident as positions are appended. The owner of the sequence knows how many of its positions are valid; a
/// forward pass overwrites those from its first position on, which shortens the sequence.
package final class SequenceState: Sendable {
    /// The most positions of the sequence.
    package let capacity: Int
    /// How keys and values are stored.
    package let encoding: CacheEncoding
    /// The keys and values of each layer's attention.
    package let layers: [KeyValueCache]

    /// - Throws: `AllocationError`.
    /// - Precondition: the capacity is positive, and the encoding accepts the model's head size.
    package init(
        _ configuration: ModelConfiguration, capacity: Int, encoding: CacheEncoding
    ) throws(AllocationError) {
        (self.capacity, self.encoding) = (capacity, encoding)
        var layers: [KeyValueCache] = []
        for _ in configuration.layers {
            layers.append(
                try KeyValueCache(
                    keyValueHeadCount: configuration.keyValueHeadCount, headSize: configuration.headSize,
                    capacity: capacity, encoding: encoding))
        }
        self.layers = layers
    }

    private init(layers: [KeyValueCache], of other: SequenceState) {
        (capacity, encoding, self.layers) = (other.capacity, other.encoding, layers)
    }

    /// Bytes of a full state; `Int.max` on overflow.
    /// - Precondition: as for a state of this size.
    package static func byteCount(
        _ configuration: ModelConfiguration, capacity: Int, encoding: CacheEncoding
    ) -> Int {
        KeyValueCache.byteCount(
            keyValueHeadCount: configuration.keyValueHeadCount, headSize: configuration.headSize,
            capacity: capacity, encoding: encoding
        ).saturatingProduct(configuration.layerCount)
    }

    package var allocatedByteCount: Int { layers.reduce(0) { $0 + $1.allocatedByteCount } }

    /// How far this state can go back when its first `count` positions are wanted: every layer remembers each position by itself,
    /// so that any prefix is as good as a sequence that ended there.
    ///
    /// - Returns: the positions that stay valid; the sequence is computed anew from there.
    package func truncate(to count: Int) -> Int { count }

    /// An independent state with the same first `prefix` positions; the others are empty.
    /// - Throws: `AllocationError`.
    /// - Precondition: 0 ≤ prefix ≤ capacity.
    package func fork(prefix: Int) throws(AllocationError) -> SequenceState {
        var copies: [KeyValueCache] = []
        for layer in layers { copies.append(try layer.copy(prefix: prefix)) }
        return SequenceState(layers: copies, of: self)
    }
}

// MARK: - Snapshots

extension SequenceState {
    /// Whether a snapshot ends with the exponents of numbers beyond the encoding's range.
    package var hasExponents: Bool { layers.contains(where: \.hasExponents) }

    /// Bytes of a snapshot of the first positions.
    /// - Precondition: 0 ≤ prefix ≤ capacity.
    package func snapshotByteCount(prefix: Int, exponents: Bool) -> Int {
        layers.reduce(0) {
            $0 + $1.snapshotByteCount(prefix: prefix) + (exponents ? $1.exponentByteCount(prefix: prefix) : 0)
        }
    }

    /// Passes the bytes of the first positions to `body`, layer after layer; then their exponents, if there are any.
    /// - Precondition: 0 ≤ prefix ≤ capacity.
    package func readSnapshot(prefix: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        for layer in layers {
            for part in layer.parts(prefix: prefix) { try body(UnsafeRawBufferPointer(part)) }
        }
        guard hasExponents else { return }
        for layer in layers {
            for part in layer.exponentParts(prefix: prefix) { try body(UnsafeRawBufferPointer(part)) }
        }
    }

    /// Copies the bytes of the first positions into this state.
    ///
    /// - Returns: false if a number in them is not finite; the contents of the state are then invalid.
    /// - Precondition: the byte count equals that of a snapshot of this prefix, with or without exponents.
    package func restore(prefix: Int, from bytes: UnsafeRawBufferPointer) -> Bool {
        let numbers = snapshotByteCount(prefix: prefix, exponents: false)
        let all = snapshotByteCount(prefix: prefix, exponents: true)
        precondition(
            bytes.count == numbers || bytes.count == all, "SequenceState: a snapshot of another size")
        var (position, exponentPosition) = (0, numbers)
        func take(_ count: Int, at position: inout Int) -> UnsafeRawBufferPointer {
            defer { position += count }
            return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
        }
        for layer in layers {
            let numbers = take(layer.snapshotByteCount(prefix: prefix), at: &position)
            let exponents =
                bytes.count == all
                ? take(layer.exponentByteCount(prefix: prefix), at: &exponentPosition) : nil
            guard layer.restore(prefix: prefix, from: numbers, exponents: exponents) else { return false }
        }
        return true
    }
}
