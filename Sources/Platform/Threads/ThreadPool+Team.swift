// SPDX-License-Identifier: Apache-2.0
// The shared state of a pool's threads. One word starts a run (its generation), and one word ends it (the number of threads
// still working); each is on its own cache line, so that spinning on one does not slow the other.

import CPlatform
import Glibc
import Synchronization

extension ThreadPool {
    /// The state that workers retain; only users retain the pool itself.
    final class Team: @unchecked Sendable {
        private typealias Word = UnsafeMutablePointer<Atomic<UInt32>>

        private let memory: UnsafeMutableRawPointer
        /// Counts runs; workers wait for it to change.
        private let generation: Word
        /// Workers that have not finished the current run; the caller waits for zero.
        private let working: Word
        /// Workers that sleep on `generation`, or are about to.
        private let sleepers: Word
        /// 1 while the caller sleeps on `working`, or is about to.
        private let callerSleeps: Word

        /// Started workers; changed before the first run only.
        var workerCount: Int
        /// The number of times that a waiter checks before it sleeps.
        private let spinCount: Int
        /// The memory that each member, the caller first, reads next; accessed by that thread alone.
        private let aheads: UnsafeMutableRawPointer
        /// The current run's body; written before `generation` changes, nil once the pool ends.
        private var job: Job?

        /// Serializes runs.
        private let mutex: UnsafeMutablePointer<pthread_mutex_t>
        private let runnerWord = Atomic<UInt>(0)

        init(workerCount: Int) {
            self.workerCount = workerCount
            spinCount = Self.measuredSpinCount()
            let memory = UnsafeMutableRawPointer.allocate(
                byteCount: (4 + workerCount + 1) * Processor.linePairByteCount,
                alignment: Processor.linePairByteCount)
            func word(_ line: Int) -> Word {
                let word = (memory + line * Processor.linePairByteCount).bindMemory(
                    to: Atomic<UInt32>.self, capacity: 1)
                word.initialize(to: Atomic(0))
                return word
            }
            self.memory = memory
            (generation, working, sleepers, callerSleeps) = (word(0), word(1), word(2), word(3))
            aheads = memory + 4 * Processor.linePairByteCount
            for member in 0...workerCount {
                (aheads + member * Processor.linePairByteCount).initializeMemory(
                    as: PrefetchRange.self, to: PrefetchRange(UnsafeRawBufferPointer(start: nil, count: 0)))
            }
            mutex = .allocate(capacity: 1)
            pthread_mutex_init(mutex, nil)
        }

        deinit {
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
            memory.deallocate()
        }

        // MARK: - One run at a time

        /// The thread whose run is in progress; 0 when there is none.
        var runner: pthread_t {
            get { runnerWord.load(ordering: .relaxed) }
            set { runnerWord.store(newValue, ordering: .relaxed) }
        }

        func tryLock() -> Bool { pthread_mutex_trylock(mutex) == 0 }
        func lock() { pthread_mutex_lock(mutex) }
        func unlock() { pthread_mutex_unlock(mutex) }

        /// The memory that `member` prefetches while it waits; it replaces the rest of the previous range.
        func ahead(of member: Int) -> UnsafeMutablePointer<PrefetchRange> {
            (aheads + member * Processor.linePairByteCount).assumingMemoryBound(to: PrefetchRange.self)
        }

        // MARK: - Fork and join

        /// Runs `body` on every worker and on the calling thread; returns when all are done.
        func fork(_ body: (Int) -> Void) {
            Job.withJob(body) { job in
                self.job = job
                working.pointee.store(UInt32(workerCount), ordering: .relaxed)
                startWorkers()
                job.run(thread: 0)
                joinWorkers()
            }
        }

        /// Makes every worker return from its thread.
        func stop() {
            job = nil
            startWorkers()
        }

        private func startWorkers() {
            // Sequentially consistent on both sides: either a worker that is about to sleep sees the new
            // generation, or we see that it sleeps.
            generation.pointee.add(1, ordering: .sequentiallyConsistent)
            if sleepers.pointee.load(ordering: .sequentiallyConsistent) > 0 {
                platform_futex_wake_all(generation)
            }
        }

        private func joinWorkers() {
            for round in 0..<spinCount {
                if working.pointee.load(ordering: .acquiring) == 0 { return }
                pause(round, member: 0)
            }
            callerSleeps.pointee.store(1, ordering: .sequentiallyConsistent)
            while true {
                let left = working.pointee.load(ordering: .sequentiallyConsistent)
                if left == 0 { break }
                platform_futex_wait(working, left)
            }
            callerSleeps.pointee.store(0, ordering: .relaxed)
        }

        private func work(thread: Int) {
            var seen: UInt32 = 0
            while true {
                seen = waitForGeneration(after: seen, member: thread)
                guard let job else { return }
                job.run(thread: thread)
                let before = working.pointee.subtract(1, ordering: .sequentiallyConsistent).oldValue
                if before == 1, callerSleeps.pointee.load(ordering: .sequentiallyConsistent) != 0 {
                    platform_futex_wake_all(working)
                }
            }
        }

        private func waitForGeneration(after seen: UInt32, member: Int) -> UInt32 {
            for round in 0..<spinCount {
                let current = generation.pointee.load(ordering: .acquiring)
                if current != seen { return current }
                pause(round, member: member)
            }
            sleepers.pointee.add(1, ordering: .sequentiallyConsistent)
            defer { sleepers.pointee.subtract(1, ordering: .sequentiallyConsistent) }
            while true {
                let current = generation.pointee.load(ordering: .sequentiallyConsistent)
                if current != seen { return current }
                platform_futex_wait(generation, seen)
            }
        }

        // MARK: - Threads

        private final class Start {
            let thread: Int
            let team: Team
            init(thread: Int, team: Team) { (self.thread, self.team) = (thread, team) }
        }

        /// Starts the worker with index `thread`; nil if the system grants none, for lack of memory or because of a limit.
        static func startWorker(thread: Int, of team: Team) -> pthread_t? {
            // A worker must not receive an interrupt: signals go to the program's own threads, except those that it causes.
            var all = sigset_t()
            var before = sigset_t()
            sigfillset(&all)
            for signal in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] { sigdelset(&all, signal) }
            pthread_sigmask(SIG_SETMASK, &all, &before)
            defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

            var worker = pthread_t()
            let start = Unmanaged.passRetained(Start(thread: thread, team: team))
            let code = pthread_create(
                &worker, nil,
                { argument in
                    guard let argument else { return nil }
                    let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                    start.team.work(thread: start.thread)
                    return nil
                }, start.toOpaque())
            guard code == 0 else {
                start.release()
                return nil
            }
            return worker
        }
    }
}

// MARK: - Spinning

extension ThreadPool.Team {
    /// One step of a spin loop: prefetches as long as a range remains.
    ///
    /// The awaited thread may be queued behind this one on the same processor, if other programs use
    /// the rest: now and then this thread yields. With an empty queue, that costs less than a microsecond.
    @inline(__always)
    private func pause(_ round: Int, member: Int) {
        if ahead(of: member).pointee.step() { return }
        if round % 64 == 63 { sched_yield() } else { platform_pause() }
    }

    /// The number of pauses that take about 40 microseconds; their length differs tenfold between processors.
    private static func measuredSpinCount() -> Int {
        let sampleCount = 200
        var fastest = Double.infinity
        for _ in 0..<3 {
            let start = MonotonicClock.now()
            for _ in 0..<sampleCount { platform_pause() }
            fastest = min(fastest, MonotonicClock.now() - start)
        }
        return Int(min(max(40e-6 * Double(sampleCount) / max(fastest, 1e-9), 200), 10_000))
    }
}
