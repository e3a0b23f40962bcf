// SPDX-License-Identifier: Apache-2.0
// A norm, an activation or the attention separates two products of a single token: microseconds in which most threads
// wait and memory idles. Waiting threads prefetch the weights of the next product (decoding gains 2-4 %).

import KernelCore
import Platform

/// The weights of the next product, for prefetching during the current one.
package struct PrefetchHint: Sendable {
    /// Every second-level cache is at least this large, and threads never wait long enough for more.
    package static let byteCount = 128 * 1024

    private let a: WeightMatrix
    private let b, c: WeightMatrix?

    /// Matrices in the order in which threads divide their tiles; for a gated product, the first matrix.
    package init(_ a: WeightMatrix, _ b: WeightMatrix? = nil, _ c: WeightMatrix? = nil) {
        (self.a, self.b, self.c) = (a, b, c)
    }

    /// The bytes where a thread begins: within one matrix, at most `byteCount` bytes.
    package func first(of thread: Int, threadCount: Int) -> UnsafeRawBufferPointer {
        let tileCount = a.tileCount + (b?.tileCount ?? 0) + (c?.tileCount ?? 0)
        var (matrix, tile) = (
            a,
            Platform.split(
                tileCount, thread: thread, of: threadCount, granularity: Compute.tileGranularity
            ).lowerBound
        )
        if tile >= matrix.tileCount, let b { (matrix, tile) = (b, tile - matrix.tileCount) }
        if tile >= matrix.tileCount, let c { (matrix, tile) = (c, tile - matrix.tileCount) }
        guard tile < matrix.tileCount else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(
            start: matrix.baseAddress + tile * matrix.tileByteCount,
            count: min((matrix.tileCount - tile) * matrix.tileByteCount, Self.byteCount))
    }
}
