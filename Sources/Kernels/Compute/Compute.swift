// SPDX-License-Identifier: Apache-2.0
// A kernel set and a team of threads. Sizes are checked here, once for each call; kernels check nothing.

import KernelCore
import Platform
import Synchronization

/// Runs kernels on a team of threads. In steady state nothing is allocated.
///
/// Any number of threads may share one. Two locks keep them apart, always taken in this order:
/// - `exclusively` belongs to a thread for a whole batch of tokens. Attention, gated products and rotary angles keep scratch
///   memory here, so they are called inside of it wherever there is more than one thread to call them.
/// - Each parallel step takes its turn on the team. An operation without scratch memory, such as finding the largest logits,
///   needs no more: it may run between two steps of another thread's batch.
package final class Compute: @unchecked Sendable {
    package let kernels: KernelSet
    package let threadCount: Int
    let table: KernelTable
    let pool: ThreadPool
    /// Elements below which a step runs on the calling thread: to wake others costs more than they save.
    let smallWork: Int
    private let turn = Locked<Void>(())
    /// Divides work among threads; belongs to the step whose turn it is.
    private let shares: WorkStealingRanges
    /// Hands out units of uneven cost.
    let nextUnit = Atomic<Int>(0)
    var attentionScratch = AttentionScratch()
    var rotaryAngles: [RotaryAngles] = []
    var rotaryTiles: [RotaryTiles] = []
    /// One for each thread.
    let gateScratch: [GateScratch]

    /// What `smallWork` is unless told otherwise; tests take 0, so that the least of work is divided.
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

    /// Runs `body` while no other thread is in such a body.
    ///
    /// - Precondition: not called from within a `body` of the same compute, or of a step.
    package func exclusively<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try turn.withLock { _ throws(Failure) in try body() }
    }

    /// Threads get tiles in pairs: some kernels multiply two together, and two are one group of what comes after.
    static let tileGranularity = 2

    /// Runs `body` over 0..<count, in parts of one thread each where the work of `elementCount` elements is worth it.
    ///
    /// Every part but the last begins and ends at a multiple of `granularity`; a thread may get several.
    func split(_ count: Int, elementCount: Int, granularity: Int = 1, _ body: (Range<Int>) -> Void) {
        split(count, elementCount: elementCount, granularity: granularity) { part, _ in body(part) }
    }

    /// The same; `body` also gets the number of its thread.
    ///
    /// - upcoming: what threads ask memory for when they have done their part.
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
