// SPDX-License-Identifier: Apache-2.0
// What is made of several parts is put together by whoever ends the last one, while most of them still lie in its caches:
// no thread waits for the others to begin with that.

import Synchronization

/// For each of some results, how many of its parts are missing.
package final class CompletionCounters: @unchecked Sendable {
    private var missing: UnsafeMutablePointer<Atomic<Int>>
    private var capacity: Int

    package init() {
        capacity = 0
        missing = .allocate(capacity: 0)
    }

    deinit { missing.deallocate() }

    /// Begins anew, before the threads do.
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
    /// - Returns: whether these were the last; then what other threads wrote into theirs is visible.
    package func finish(_ partCount: Int, of result: Int) -> Bool {
        missing[result].subtract(partCount, ordering: .acquiringAndReleasing).newValue == 0
    }
}
