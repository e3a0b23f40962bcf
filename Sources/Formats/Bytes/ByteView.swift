// SPDX-License-Identifier: Apache-2.0
// The only place where this module accesses memory: a bounds-checked view of bytes that stay alive as
// long as the view does. Slices know their position in the file, for error messages. Every number from a file is
// checked before it is used, and a broken rule of `formats/` is reported by its number.

import Platform

/// Bytes of a mapped file or of an array, with their position in the file.
package struct ByteView: RandomAccessCollection, @unchecked Sendable {
    // The memory is never written through a view, and its owner is Sendable: views may cross threads.
    /// Keeps the memory valid and unchanged.
    package let owner: any AnyObject & Sendable
    private let memory: UnsafeRawBufferPointer
    /// Position of the first byte, in bytes from the start of the file.
    package let byteOffset: Int

    /// A view of memory that `owner` keeps valid and unchanged.
    package init(_ memory: UnsafeRawBufferPointer, owner: any AnyObject & Sendable, byteOffset: Int = 0) {
        self.owner = owner
        unsafe self.memory = memory
        self.byteOffset = byteOffset
    }

    /// A view of a copy of `bytes`, on a 64-byte boundary as in a mapped file.
    package init(copying bytes: some Collection<UInt8>) {
        let copy = CopiedBytes(count: bytes.count)
        unsafe copy.memory.copyBytes(from: bytes)
        unsafe self.init(UnsafeRawBufferPointer(copy.memory), owner: copy)
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { memory.count }

    package subscript(position: Int) -> UInt8 {
        precondition(position >= 0 && position < memory.count, "ByteView: index out of range")
        return unsafe memory[position]
    }

    // Indices of slices start at 0: an index is always the distance from the view's own start.
    /// The `count` bytes from `start`, or nil if they are not all inside.
    package func slice(_ start: Int, count: Int) -> ByteView? {
        guard start >= 0, count >= 0, start <= memory.count, count <= memory.count - start else { return nil }
        let part = unsafe UnsafeRawBufferPointer(rebasing: memory[start..<(start + count)])
        return unsafe ByteView(part, owner: owner, byteOffset: byteOffset + start)
    }

    /// The same bytes in memory of our own, where no other program can change them.
    package func copied() -> ByteView {
        let copy = CopiedBytes(count: memory.count)
        unsafe copy.memory.copyMemory(from: memory)
        return unsafe ByteView(UnsafeRawBufferPointer(copy.memory), owner: copy, byteOffset: byteOffset)
    }

    /// A little-endian value at any alignment.
    /// - Precondition: all of its bytes are inside; use `ByteReader` for positions that depend on the file.
    package func load<T: BitwiseCopyable & FixedWidthInteger>(_ type: T.Type, at position: Int) -> T {
        let size = MemoryLayout<T>.size
        precondition(
            position >= 0 && position <= memory.count && size <= memory.count - position,
            "ByteView: load out of range")
        return T(littleEndian: unsafe memory.loadUnaligned(fromByteOffset: position, as: T.self))
    }

    /// The memory itself.
    ///
    /// A caller that keeps the pointer must keep this view, its owner or the file alive.
    package var bytes: UnsafeRawBufferPointer { unsafe memory }

    package func withContiguousStorageIfAvailable<R>(
        _ body: (UnsafeBufferPointer<UInt8>) throws -> R
    ) rethrows -> R? {
        try unsafe memory.withMemoryRebound(to: UInt8.self) { try unsafe body($0) }
    }

    /// The bytes as text, or nil if they are not valid UTF-8.
    package var text: String? { String(validating: self, as: UTF8.self) }
}

/// The owner of bytes that do not come from a file.
private final class CopiedBytes: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer

    init(count: Int) {
        unsafe memory = .allocate(byteCount: count, alignment: 64)
        // All of it will be written at once.
        unsafe makeResident(memory)
    }

    deinit { unsafe memory.deallocate() }
}
