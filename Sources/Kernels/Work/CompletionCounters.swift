// SPDX-License-Identifier: Apache-2.0
// The thread that finishes the last part of a result combines the parts while they are still in its cache;
// no thread waits for the others first.

import Synchronization

/// The number of remaining parts of each result.
package final class CompletionCounters: @unchecked Sendable {
    private var missing: UnsafeMutablePointer<Atomic<Int>>
    private var capacity: Int

    package init() {
        capacity = 0
        missing = .allocate(capacity: 0)
    }

    deinit { missing.deallocate() }

    /// Resets the counters before the threads start.
    package func start(_ resultCount: Int, each partCount: Int) {
        if resultCount > capacity {
            missing.deallocate()
            missing = .allocate(capacity: resultCount)
            for result in 0..<resultCount { (missing + result).initialize(to: Atomic(0)) }
            capacity = resultCount
        }
        for result in 0..<resultCount { missing[result].store(partCount, ordering: .relaxed) }
    }

    /// Counts parts as done.
    /// - Returns: whether these were the last parts; the writes of other threads to their parts are then visible.
    package func finish(_ partCount: Int, of result: Int) -> Bool {
        missing[result].subtract(partCount, ordering: .acquiringAndReleasing).newValue == 0
    }
}
