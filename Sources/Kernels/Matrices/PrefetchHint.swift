// SPDX-License-Identifier: Apache-2.0
// Between two products of a single token lie a norm, an activation or the attention: microseconds in which most threads
// wait and memory idles. Whoever waits asks for the weights of the next product meanwhile (decoding gains 2-4 %).

import KernelCore
import Platform

/// The weights that one product reads, as the product before it knows them.
package struct PrefetchHint: Sendable {
    /// No second cache is so small, and threads never wait long enough for more.
    package static let byteCount = 128 * 1024

    private let a: WeightMatrix
    private let b, c: WeightMatrix?

    /// Matrices that are divided among threads as their tiles in this order; of a gated product the first one.
    package init(_ a: WeightMatrix, _ b: WeightMatrix? = nil, _ c: WeightMatrix? = nil) {
        (self.a, self.b, self.c) = (a, b, c)
    }

    /// Where a thread begins: within one matrix, at most `byteCount` bytes.
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
