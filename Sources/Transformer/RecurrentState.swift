// SPDX-License-Identifier: Apache-2.0
// The state of layers that remember the last tokens only, such as convolutions. It cannot go back by itself: copies of it are kept
// at the ends of messages and at intervals, so that a sequence that is cut back is computed anew from the nearest one.

import Platform

/// The present state of all recurrent layers, and copies of earlier ones.
final class RecurrentState: @unchecked Sendable {
    /// The most tokens between two copies.
    private static let interval = 512
    /// Limits on the copies: their number, and their bytes, of which two copies may exceed it.
    private static let (largestCopyCount, largestByteCount) = (16, 64 << 20)

    private struct Copy {
        let position: Int
        let numbers: AlignedBuffer<Float>
    }

    /// Floats of each layer, one layer after the other; 0 for a layer without.
    private let sizes: [Int]
    /// The first float of each layer.
    private let offsets: [Int]
    private let present: AlignedBuffer<Float>
    /// In ascending order of their positions.
    private var copies: [Copy] = []
    private var unused: [AlignedBuffer<Float>] = []
    /// Tokens that the present state has seen; nil while a batch changes it, and after one that was not finished.
    private(set) var position: Int? = 0

    /// - Throws: `AllocationError`.
    /// - Precondition: at least one size is positive.
    init(sizes: [Int]) throws(AllocationError) {
        self.sizes = sizes
        var offsets: [Int] = [], end = 0
        for size in sizes {
            offsets.append(end)
            end += size
        }
        self.offsets = offsets
        present = try AlignedBuffer(count: end)
        // All copies are allocated now, so that no evaluation fails for lack of memory.
        for _ in 0..<Self.copyCount(elementCount: end) { unused.append(try AlignedBuffer(count: end)) }
        copies.reserveCapacity(unused.count)
    }

    private static func copyCount(elementCount: Int) -> Int {
        min(largestCopyCount, max(2, largestByteCount / AlignedBuffer<Float>.byteCount(elementCount)))
    }

    static func byteCount(elementCount: Int) -> Int {
        (1 + copyCount(elementCount: elementCount)) * AlignedBuffer<Float>.byteCount(elementCount)
    }

    /// Bytes of the present state.
    var snapshotByteCount: Int { 4 * present.count }
    var allocatedByteCount: Int { (1 + copies.count + unused.count) * present.byteCount }

    /// The state of a layer.
    func numbers(ofLayer layer: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: present.baseAddress + offsets[layer], count: sizes[layer])
    }

    /// Begins a batch whose first token has this position: at 0 a new sequence.
    /// - Precondition: the position is 0 or that of the state.
    func begin(at first: Int, keepsCopy: Bool) {
        if first == 0 {
            clear()
        } else {
            precondition(position == first, "RecurrentState: the state belongs to another position")
            if keepsCopy { keep() }
        }
        position = nil
    }

    /// Ends a batch.
    ///
    /// - keepsCopy: whether a copy is kept at this position in any case.
    func end(at end: Int, keepsCopy: Bool) {
        position = end
        if keepsCopy || end - (copies.last?.position ?? 0) >= Self.interval { keep() }
    }

    /// Goes back to the first `count` positions, or to the nearest earlier ones that are known.
    ///
    /// - Returns: the positions that stay valid.
    func truncate(to count: Int) -> Int {
        while let last = copies.last, last.position > count { unused.append(copies.removeLast().numbers) }
        if let position, position <= count { return position }
        guard let last = copies.last else {
            clear()
            return 0
        }
        present.copy(from: last.numbers, at: 0, count: present.count)
        position = last.position
        return last.position
    }

    private func clear() {
        while let last = copies.popLast() { unused.append(last.numbers) }
        present.baseAddress.update(repeating: 0, count: present.count)
        position = 0
    }

    /// Copies the present state.
    private func keep() {
        guard let position, position > 0, copies.last?.position != position else { return }
        if unused.isEmpty { dropDensest() }
        guard let numbers = unused.popLast() else { return }
        numbers.copy(from: present, at: 0, count: present.count)
        copies.append(Copy(position: position, numbers: numbers))
    }

    /// Gives up the copy whose neighbours are nearest to each other, but not the last one.
    private func dropDensest() {
        func gap(_ index: Int) -> Int {
            copies[index + 1].position - (index == 0 ? 0 : copies[index - 1].position)
        }
        guard let index = copies.indices.dropLast().min(by: { gap($0) < gap($1) }) else { return }
        unused.append(copies.remove(at: index).numbers)
    }

    /// An independent copy.
    /// - Throws: `AllocationError`.
    /// - Precondition: the state is that of `prefix` positions.
    func fork(prefix: Int) throws(AllocationError) -> RecurrentState {
        let fork = try RecurrentState(sizes: sizes)
        guard prefix > 0 else { return fork }
        precondition(position == prefix, "RecurrentState: the state belongs to another position")
        for copy in copies {
            guard let numbers = fork.unused.popLast() else { break }
            numbers.copy(from: copy.numbers, at: 0, count: present.count)
            fork.copies.append(Copy(position: copy.position, numbers: numbers))
        }
        fork.present.copy(from: present, at: 0, count: present.count)
        fork.position = prefix
        return fork
    }

    /// The bytes of the present state.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(present.elements) }

    /// Takes over the state of the first `prefix` positions.
    ///
    /// - Returns: false if a number is not finite.
    /// - Precondition: as many bytes as the state has.
    func restore(prefix: Int, from source: UnsafeRawBufferPointer) -> Bool {
        precondition(source.count == snapshotByteCount, "RecurrentState: a snapshot of another size")
        clear()
        UnsafeMutableRawBufferPointer(present.elements).copyMemory(from: source)
        guard present.elements.allSatisfy(\.isFinite) else { return false }
        position = prefix
        keep()
        return true
    }
}
