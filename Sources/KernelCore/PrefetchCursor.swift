// SPDX-License-Identifier: Apache-2.0
// Memory idles while a kernel computes on cached data. A kernel that knows what is read after it prefetches that data,
// in even steps: issued all at once, the requests would queue up and delay its own loads.

/// Memory that is read after the current kernel.
public struct PrefetchCursor {
    public var start: UnsafeRawPointer
    /// The number of bytes to prefetch; 0 for none.
    public var byteCount: Int

    /// - start: Need not be readable: a prefetch is a hint and never faults.
    @inlinable @inline(__always)
    public init(_ start: UnsafeRawPointer, byteCount: Int) {
        self.start = start
        self.byteCount = byteCount
    }
}

/// Prefetches a range in a given number of steps.
@usableFromInline
struct PrefetchSteps<ISA: TileLanes> {
    @usableFromInline var next: UnsafeRawPointer
    @usableFromInline let end: UnsafeRawPointer
    @usableFromInline let stride: Int

    @inlinable @inline(__always)
    init(_ memory: PrefetchCursor, steps: Int) {
        next = memory.start
        end = memory.start + memory.byteCount
        stride = (memory.byteCount / 64 / max(steps, 1) &+ 1) &* 64
    }

    @inlinable @inline(__always)
    mutating func step() {
        let limit = min(next + stride, end)
        while next < limit {
            ISA.prefetchLater(next)
            next += 64
        }
    }
}
