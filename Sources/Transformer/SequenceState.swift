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
    /// The keys and values of each layer's attention; nil in a layer with another mixer.
    package let caches: [KeyValueCache?]
    /// The state of all other layers; nil if there are none.
    private let recurrent: RecurrentState?

    /// - Throws: `AllocationError`.
    /// - Precondition: the capacity is positive, and the encoding accepts the model's head size.
    package init(
        _ configuration: ModelConfiguration, capacity: Int, encoding: CacheEncoding
    ) throws(AllocationError) {
        (self.capacity, self.encoding) = (capacity, encoding)
        var caches: [KeyValueCache?] = []
        for layer in configuration.layers {
            caches.append(
                layer.attention == nil
                    ? nil
                    : try KeyValueCache(
                        keyValueHeadCount: configuration.keyValueHeadCount, headSize: configuration.headSize,
                        capacity: capacity, encoding: encoding))
        }
        self.caches = caches
        recurrent =
            configuration.recurrentLayerCount > 0 ? try RecurrentState(sizes: Self.sizes(configuration)) : nil
    }

    private init(caches: [KeyValueCache?], recurrent: RecurrentState?, of other: SequenceState) {
        (capacity, encoding, self.caches) = (other.capacity, other.encoding, caches)
        self.recurrent = recurrent
    }

    /// Floats that each layer remembers besides keys and values.
    private static func sizes(_ configuration: ModelConfiguration) -> [Int] {
        configuration.layers.map { layer in
            switch layer.mixer {
            case .attention: 0
            case .convolution(let convolution): (convolution.width - 1) * configuration.hiddenSize
            case .deltaRule(let rule):
                (rule.convolutionWidth - 1) * rule.channelCount
                    + rule.valueHeadCount * rule.keyHeadSize * rule.valueHeadSize
            }
        }
    }

    /// Bytes of a full state; `Int.max` on overflow.
    /// - Precondition: as for a state of this size.
    package static func byteCount(
        _ configuration: ModelConfiguration, capacity: Int, encoding: CacheEncoding
    ) -> Int {
        let caches = KeyValueCache.byteCount(
            keyValueHeadCount: configuration.keyValueHeadCount, headSize: configuration.headSize,
            capacity: capacity, encoding: encoding
        ).saturatingProduct(configuration.layerCount - configuration.recurrentLayerCount)
        guard configuration.recurrentLayerCount > 0 else { return caches }
        let recurrent = RecurrentState.byteCount(elementCount: sizes(configuration).reduce(0, +))
        let (sum, overflow) = caches.addingReportingOverflow(recurrent)
        return overflow ? .max : sum
    }

    package var allocatedByteCount: Int {
        caches.reduce(recurrent?.allocatedByteCount ?? 0) { $0 + ($1?.allocatedByteCount ?? 0) }
    }

    /// How far this state can go back when its first `count` positions are wanted. Keys and values remember each position by
    /// themselves, so that any prefix is as good as a sequence that ended there; recurrent layers go back to a copy.
    ///
    /// - Returns: the positions that stay valid; the sequence is computed anew from there.
    package func truncate(to count: Int) -> Int { recurrent?.truncate(to: count) ?? count }

    /// What a recurrent layer remembers.
    /// - Precondition: the layer is recurrent.
    func numbers(ofLayer layer: Int) -> UnsafeMutableBufferPointer<Float> {
        guard let recurrent else { preconditionFailure("SequenceState: no layer is recurrent") }
        return recurrent.numbers(ofLayer: layer)
    }

    /// Begins a batch of tokens at these positions.
    ///
    /// - Parameter isMessage: whether a message begins here, to whose beginning the sequence may be cut back.
    func begin(_ positions: Range<Int>, isMessage: Bool) {
        recurrent?.begin(at: positions.lowerBound, keepsCopy: isMessage)
    }

    /// Ends a batch of tokens.
    ///
    /// - Parameter isMessage: whether a message ends here.
    func end(_ positions: Range<Int>, isMessage: Bool) {
        recurrent?.end(at: positions.upperBound, keepsCopy: isMessage)
    }

    /// An independent state with the same first `prefix` positions; the others are empty.
    /// - Throws: `AllocationError`.
    /// - Precondition: 0 ≤ prefix ≤ capacity; recurrent layers are at this position.
    package func fork(prefix: Int) throws(AllocationError) -> SequenceState {
        var copies: [KeyValueCache?] = []
        for cache in caches { copies.append(try cache?.copy(prefix: prefix)) }
        return SequenceState(caches: copies, recurrent: try recurrent?.fork(prefix: prefix), of: self)
    }
}

// MARK: - Snapshots

extension SequenceState {
    /// Whether a snapshot ends with the exponents of numbers beyond the encoding's range.
    package var hasExponents: Bool { caches.contains { $0?.hasExponents == true } }

    /// Bytes of a snapshot of the first positions.
    /// - Precondition: 0 ≤ prefix ≤ capacity.
    package func snapshotByteCount(prefix: Int, exponents: Bool) -> Int {
        caches.compactMap(\.self).reduce(recurrent?.snapshotByteCount ?? 0) {
            $0 + $1.snapshotByteCount(prefix: prefix) + (exponents ? $1.exponentByteCount(prefix: prefix) : 0)
        }
    }

    /// Passes the bytes of the first positions to `body`: keys and values layer after layer, then the recurrent layers' state, then
    /// exponents, if there are any.
    /// - Precondition: 0 ≤ prefix ≤ capacity; recurrent layers are at this position.
    package func readSnapshot(prefix: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        for cache in caches.compactMap(\.self) {
            for part in cache.parts(prefix: prefix) { try body(UnsafeRawBufferPointer(part)) }
        }
        if let recurrent {
            precondition(recurrent.position == prefix, "SequenceState: recurrent layers are elsewhere")
            try body(recurrent.bytes)
        }
        guard hasExponents else { return }
        for cache in caches.compactMap(\.self) {
            for part in cache.exponentParts(prefix: prefix) { try body(UnsafeRawBufferPointer(part)) }
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
        for cache in caches.compactMap(\.self) {
            let numbers = take(cache.snapshotByteCount(prefix: prefix), at: &position)
            let exponents =
                bytes.count == all
                ? take(cache.exponentByteCount(prefix: prefix), at: &exponentPosition) : nil
            guard cache.restore(prefix: prefix, from: numbers, exponents: exponents) else { return false }
        }
        guard let recurrent else { return true }
        return recurrent.restore(prefix: prefix, from: take(recurrent.snapshotByteCount, at: &position))
    }
}
