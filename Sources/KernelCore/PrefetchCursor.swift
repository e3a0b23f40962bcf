// SPDX-License-Identifier: Apache-2.0
// Memory idles while a kernel computes on what lies in caches. A kernel that is told what is read after it asks for that
// meanwhile, in even steps: all at once, the requests would queue up and hold up its own loads.

/// Memory that is read after a kernel.
public struct PrefetchCursor {
    public var start: UnsafeRawPointer
    /// 0 where nothing is to be asked for.
    public var byteCount: Int

    /// - start: need not be readable: asking is a hint, which faults nowhere.
    @inlinable @inline(__always)
    public init(_ start: UnsafeRawPointer, byteCount: Int) {
        self.start = start
        self.byteCount = byteCount
    }
}

/// Some memory, asked for in so many steps.
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
