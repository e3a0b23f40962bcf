// SPDX-License-Identifier: Apache-2.0
// The pool under load: many short runs, more threads than processors, long pauses, misuse.

import Glibc
import Platform
import Synchronization
import Testing

@Suite(.serialized) struct ThreadPoolTests {
    @Test(arguments: [1, 2, 3, 4, 7])
    func everyThreadRunsOnceInEachRun(threadCount: Int) {
        let pool = ThreadPool(threadCount: threadCount)
        #expect(pool.threadCount == threadCount)
        let calls = granted(try AlignedBuffer<Int>(count: threadCount * 16))
        for _ in 0..<2_000 { pool.run { calls[$0 * 16] += 1 } }
        for thread in 0..<threadCount { #expect(calls[thread * 16] == 2_000) }
    }

    /// Each run adds up what the run before wrote, so a lost or late thread changes the sum.
    @Test(arguments: [(2, 100_000), (4, 20_000)])
    func sumsAreExactOverManyRuns(threadCount: Int, runCount: Int) {
        let pool = ThreadPool(threadCount: threadCount)
        let values = granted(try AlignedBuffer<Int>(count: 97))
        for run in 0..<runCount {
            let range = values.count
            pool.run { thread in
                for index in split(range, thread: thread, of: threadCount) {
                    values[index] += index ^ run & 3
                }
            }
        }
        for index in 0..<values.count {
            let quarter = runCount / 4
            #expect(values[index] == quarter * (0...3).reduce(0) { $0 + (index ^ $1) })
        }
    }

    @Test func runsAfterLongPausesWakeTheSleepers() {
        let pool = ThreadPool(threadCount: 3)
        let total = Atomic<Int>(0)
        for _ in 0..<20 {
            usleep(5_000)
            pool.run { total.add($0 + 1, ordering: .relaxed) }
        }
        #expect(total.load(ordering: .relaxed) == 20 * 6)
    }

    @Test func theCallerSleepsThroughSlowWorkers() {
        let pool = ThreadPool(threadCount: 2)
        let total = Atomic<Int>(0)
        for _ in 0..<10 {
            pool.run { thread in
                if thread == 1 { usleep(3_000) }
                total.add(1, ordering: .relaxed)
            }
        }
        #expect(total.load(ordering: .relaxed) == 20)
    }

    @Test func moreThreadsThanProcessorsDoNotCollapse() {
        let pool = ThreadPool(threadCount: 4 * Processor.allowedProcessorCount())
        let start = MonotonicClock.now()
        let runCount = 500
        for _ in 0..<runCount { pool.run { _ in } }
        // Two orders of magnitude above the usual; waiting for time slices would be far beyond.
        #expect((MonotonicClock.now() - start) / Double(runCount) < 10e-3)
    }

    @Test func poolsEndWhetherTheirWorkersSpinOrSleep() {
        for round in 0..<200 {
            let pool = ThreadPool(threadCount: 1 + round % 4)
            if round % 3 > 0 { pool.run { _ in } }
            if round % 20 == 0 { usleep(2_000) }
        }
    }

    @Test(arguments: [1, 2, 5])
    func whatWaitingThreadsAskForNeedNotExist(threadCount: Int) {
        let pool = ThreadPool(threadCount: threadCount)
        let runs = Atomic<Int>(0)
        for _ in 0..<100 {
            pool.run { thread in
                // The last page of all addresses, which nobody maps, and a part of what lies behind it.
                let start = UnsafeRawPointer(bitPattern: UInt.max - 4095)
                pool.willRead(UnsafeRawBufferPointer(start: start, count: 4032), thread: thread)
                runs.add(1, ordering: .relaxed)
            }
        }
        #expect(runs.load(ordering: .relaxed) == 100 * threadCount)
    }

    @Test func runsFromSeveralThreadsTakeTurns() {
        let inner = ThreadPool(threadCount: 2)
        let outer = ThreadPool(threadCount: 3)
        let total = Atomic<Int>(0)
        let running = Atomic<Int>(0)
        let overlaps = Atomic<Int>(0)
        outer.run { _ in
            for _ in 0..<300 {
                inner.run { _ in
                    if running.add(1, ordering: .relaxed).newValue > 2 { overlaps.add(1, ordering: .relaxed) }
                    total.add(1, ordering: .relaxed)
                    running.subtract(1, ordering: .relaxed)
                }
            }
        }
        #expect(total.load(ordering: .relaxed) == 3 * 300 * 2)
        #expect(overlaps.load(ordering: .relaxed) == 0)
    }

    @Test func aClosureMayCaptureValuesOfAnyKind() {
        let pool = ThreadPool(threadCount: 2)
        var sums = [0, 0]
        let names = ["first", "second"]
        for _ in 0..<1_000 {
            sums.withUnsafeMutableBufferPointer { sums in
                nonisolated(unsafe) let sums = sums
                pool.run { sums[$0] += names[$0].utf8.count }
            }
        }
        #expect(sums == [5_000, 6_000])
    }

    @Test func aRunWithinARunTraps() async {
        await #expect(processExitsWith: .failure) {
            let pool = ThreadPool(threadCount: 2)
            pool.run { thread in if thread == 0 { pool.run { _ in } } }
        }
        await #expect(processExitsWith: .failure) {
            let pool = ThreadPool(threadCount: 2)
            pool.run { thread in if thread == 1 { pool.run { _ in } } }
        }
        await #expect(processExitsWith: .failure) {
            let pool = ThreadPool(threadCount: 1)
            pool.run { _ in pool.run { _ in } }
        }
    }
}

@Suite struct SplitTests {
    @Test(arguments: [0, 1, 2, 31, 32, 33, 97, 4096], [1, 2, 3, 8, 40])
    func partsCoverEverythingOnceAndEvenly(count: Int, threads: Int) {
        for granularity in [1, 4, 32] {
            let parts = (0..<threads).map { split(count, thread: $0, of: threads, granularity: granularity) }
            #expect(parts.first?.lowerBound == 0)
            #expect(parts.last?.upperBound == count)
            for (part, next) in zip(parts, parts.dropFirst()) { #expect(part.upperBound == next.lowerBound) }
            for part in parts where part.upperBound != count { #expect(part.upperBound % granularity == 0) }
            let sizes = parts.map { ($0.count + granularity - 1) / granularity }
            #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
        }
    }

    @Test func theLargestCountDoesNotOverflow() {
        #expect(split(.max, thread: 6, of: 7, granularity: 32).upperBound == .max)
    }
}
