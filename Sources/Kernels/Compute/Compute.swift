// SPDX-License-Identifier: Apache-2.0
// A kernel set and a team of threads. Each call checks sizes here, once; kernels check nothing.

import KernelCore
import Platform
import Synchronization

/// Runs kernels on a team of threads. In steady state nothing is allocated.
///
/// Any number of threads may share a `Compute`. Two locks keep them apart, always taken in this order:
/// - `exclusively` is held by one thread for a whole batch of tokens. Attention, gated products and rotary angles keep scratch
///   memory here, so they run inside it wherever more than one thread may call them.
/// - Each parallel step takes its turn on the team. An operation without scratch memory, such as finding the largest logits,
///   needs only its turn: it may run between two steps of another thread's batch.
package final class Compute: @unchecked Sendable {
    package let kernels: KernelSet
    package let threadCount: Int
    let table: KernelTable
    let pool: ThreadPool
    /// A step with fewer elements runs on the calling thread: waking others costs more than it saves.
    let smallWork: Int
    private let turn = Locked<Void>(())
    /// Divides work among threads by work stealing; belongs to the current step.
    private let shares: WorkStealingRanges
    /// Assigns units of uneven cost.
    let nextUnit = Atomic<Int>(0)
    var attentionScratch = AttentionScratch()
    var rotaryAngles: [RotaryAngles] = []
    var rotaryTiles: [RotaryTiles] = []
    /// One element per thread.
    let gateScratch: [GateScratch]

    /// The default of `smallWork`; tests use 0, so that even the smallest work is divided.
    package static let usualSmallWork = 32_768

    /// - Throws: `AllocationError`.
    /// - Precondition: `threadCount` is positive.
    package init(
        kernels: KernelSet, threadCount: Int, smallWork: Int = usualSmallWork
    ) throws(AllocationError) {
        precondition(threadCount > 0, "Compute: at least one thread")
        self.kernels = kernels
        self.threadCount = threadCount
        self.smallWork = smallWork
        table = kernels.table
        pool = ThreadPool(threadCount: threadCount)
        shares = WorkStealingRanges(threadCount: threadCount)
        var gateScratch: [GateScratch] = []
        for _ in 0..<threadCount { gateScratch.append(try GateScratch()) }
        self.gateScratch = gateScratch
    }

    /// Runs `body` while no other thread runs such a body.
    ///
    /// - Precondition: not called from within a `body` of the same compute, or of a step.
    package func exclusively<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try turn.withLock { _ throws(Failure) in try body() }
    }

    /// Threads get tiles in pairs: some kernels multiply two tiles together, and the next operation treats two as one group.
    static let tileGranularity = 2

    /// Runs `body` over 0..<count; divides it among the threads if a step of `elementCount` elements is worth it.
    ///
    /// Every part but the last begins and ends at a multiple of `granularity`; a thread may get several.
    func split(_ count: Int, elementCount: Int, granularity: Int = 1, _ body: (Range<Int>) -> Void) {
        split(count, elementCount: elementCount, granularity: granularity) { part, _ in body(part) }
    }

    /// The same; `body` also receives the number of its thread.
    ///
    /// - upcoming: The weights that threads prefetch after their part is done.
    func split(
        _ count: Int, elementCount: Int, granularity: Int = 1, prefetching upcoming: PrefetchHint? = nil,
        _ body: (Range<Int>, _ thread: Int) -> Void
    ) {
        if elementCount < smallWork || threadCount == 1 || count < 2 {
            return body(0..<count, 0)
        }
        pool.run(preparing: { shares.divide((count + granularity - 1) / granularity) }) { thread in
            shares.forEachPart(of: thread) { units in
                body(units.lowerBound * granularity..<min(units.upperBound * granularity, count), thread)
            }
            if let upcoming {
                pool.willRead(upcoming.first(of: thread, threadCount: threadCount), thread: thread)
            }
        }
    }

    /// Checks that a buffer holds [rows × columns].
    func check<Element>(
        _ buffer: AlignedBuffer<Element>, holds rows: Int, by columns: Int, _ operation: StaticString
    ) {
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        precondition(
            rows >= 0 && columns >= 0 && !overflow && count <= buffer.count,
            "\(operation): a buffer of \(buffer.count) elements cannot hold \(rows) × \(columns)")
    }
}
