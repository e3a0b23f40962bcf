// SPDX-License-Identifier: Apache-2.0
// Fork-join for kernels. A token passes through hundreds of parallel steps of some ten microseconds each, so
// workers spin for a moment between steps and sleep on a futex only when the pause gets long.

import CPlatform
import Glibc
import Synchronization

/// A fixed team of threads that run the same closure, each with its own index.
///
/// The team never has more threads than available processors: threads that share a processor wait for one another's
/// time slices at every step. If there are more parts than threads, a thread runs several parts in sequence.
package final class ThreadPool: Sendable {
    /// The number of parts per run, and of threads if there are enough processors; the thread that calls `run` is one of them.
    package let threadCount: Int
    private let team: Team
    private let workers: [pthread_t]

    /// Starts the workers besides the caller's thread; none for a count of 1. If the system grants fewer, those run all parts.
    /// - Precondition: `threadCount` is positive.
    package init(threadCount: Int) {
        precondition(threadCount > 0, "ThreadPool: a team has at least one thread")
        let teamSize = min(threadCount, Processor.allowedProcessorCount())
        let team = Team(workerCount: teamSize - 1)
        self.threadCount = threadCount
        self.team = team
        var workers: [pthread_t] = []
        while workers.count + 1 < teamSize,
            let worker = Team.startWorker(thread: workers.count + 1, of: team)
        {
            workers.append(worker)
        }
        team.workerCount = workers.count
        self.workers = workers
    }

    deinit {
        team.stop()
        for worker in workers { pthread_join(worker, nil) }
    }

    /// Runs `body` once for each index in `0..<threadCount`; the caller is thread 0.
    ///
    /// Bodies may not wait for one another. The call returns when all are done; their writes are then visible to the caller. Runs
    /// from different threads take turns. Nothing is allocated.
    /// - Parameter prepare: called first, by the caller, when its turn begins: until then, the shared state of a run belongs to
    ///   the previous run.
    /// - Precondition: not called from within a `body` of the same pool.
    package func run(preparing prepare: () -> Void = {}, _ body: (_ thread: Int) -> Void) {
        let caller = pthread_self()
        if !team.tryLock() {
            let isMember = team.runner == caller || workers.contains { pthread_equal($0, caller) != 0 }
            precondition(!isMember, "ThreadPool: run was called from within a run of the same pool")
            team.lock()
        }
        team.runner = caller
        prepare()
        let teamSize = workers.count + 1
        if teamSize == 1 {
            for thread in 0..<threadCount { body(thread) }
        } else {
            team.fork { member in
                for thread in stride(from: member, to: threadCount, by: teamSize) { body(thread) }
            }
        }
        team.runner = 0
        team.unlock()
    }

    /// Makes a thread prefetch memory whenever it waits; it will read the memory in a later run. Replaces the previous range.
    ///
    /// Call it from within a `body`, on that thread.
    /// - Parameter bytes: no more than a second-level cache holds beside the run's data.
    package func willRead(_ bytes: UnsafeRawBufferPointer, thread: Int) {
        team.ahead(of: thread % (workers.count + 1)).pointee = PrefetchRange(bytes)
    }
}

/// The part of `0..<count` for `thread` of `threads`: as even as possible, the same on every call.
/// - Parameter granularity: every part but the last begins and ends at a multiple of this.
package func split(_ count: Int, thread: Int, of threads: Int, granularity: Int = 1) -> Range<Int> {
    precondition(count >= 0 && granularity > 0 && thread >= 0 && thread < threads, "split: nonsensical part")
    let unitCount = count / granularity + (count % granularity == 0 ? 0 : 1)
    let (share, extra) = unitCount.quotientAndRemainder(dividingBy: threads)
    let lower = thread * share + min(thread, extra)
    let upper = lower + share + (thread < extra ? 1 : 0)
    // The last unit may be cut short; the comparison precedes the multiplication, so that nothing overflows.
    return
        (lower == unitCount ? count : lower * granularity)..<(upper == unitCount
        ? count : upper * granularity)
}
