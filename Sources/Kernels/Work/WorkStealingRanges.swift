// SPDX-License-Identifier: Apache-2.0
// The division of one run's work among threads. With even parts alone, all would wait for the slowest thread: threads start
// one after the other, other programs take a processor for a moment, and some processors are slower than others.

import Platform
import Synchronization

/// Shares of 0..<unitCount, one per thread, with work stealing: idle threads take from the last eighth of other shares.
///
/// A thread goes through its own share in order, so the memory that it prefetches is its own; then it steals.
package final class WorkStealingRanges: @unchecked Sendable {
    private typealias Count = Atomic<Int>

    private let threadCount: Int
    private let memory: UnsafeMutableRawPointer
    private var unitCount = 0

    /// - Precondition: `threadCount` is positive.
    package init(threadCount: Int) {
        precondition(threadCount > 0, "WorkStealingRanges: at least one thread")
        self.threadCount = threadCount
        memory = .allocate(
            byteCount: threadCount * Processor.linePairByteCount, alignment: Processor.linePairByteCount)
        for thread in 0..<threadCount {
            (memory + thread * Processor.linePairByteCount).initializeMemory(as: Count.self, to: Atomic(0))
        }
    }

    deinit { memory.deallocate() }

    /// Divides 0..<unitCount again, after all threads are done with the previous division: `ThreadPool.run(preparing:_:)`.
    package func divide(_ unitCount: Int) {
        self.unitCount = unitCount
        for thread in 0..<threadCount {
            next(of: thread).pointee.store(reserved(thread).upperBound, ordering: .relaxed)
        }
    }

    /// Runs `body` over a thread's own share, then over the remaining units of other shares. Each unit runs once.
    package func forEachPart(of thread: Int, _ body: (Range<Int>) -> Void) {
        let own = reserved(thread)
        if !own.isEmpty { body(own) }
        for turn in 0..<threadCount {
            let owner = (thread + turn) % threadCount
            let share = share(owner)
            let grain = max(share.count / 64, 1)
            while true {
                let first = next(of: owner).pointee.add(grain, ordering: .relaxed).oldValue
                guard first < share.upperBound else { break }
                body(first..<min(first + grain, share.upperBound))
            }
        }
    }

    private func share(_ thread: Int) -> Range<Int> {
        Platform.split(unitCount, thread: thread, of: threadCount)
    }

    /// The part of a share that no other thread takes.
    private func reserved(_ thread: Int) -> Range<Int> {
        let share = share(thread)
        return share.lowerBound..<share.upperBound - share.count / 8
    }

    /// The first unit of a share that no thread has taken; past its end once all are taken.
    private func next(of thread: Int) -> UnsafeMutablePointer<Count> {
        (memory + thread * Processor.linePairByteCount).assumingMemoryBound(to: Count.self)
    }
}
