// SPDX-License-Identifier: Apache-2.0
// A value that one thread at a time may touch. The lock is that of POSIX threads and not the standard library's `Mutex`,
// which Thread Sanitizer does not see: it reported every access under one as a race.

import Glibc

/// A value and the lock that guards it.
package final class Locked<Value>: @unchecked Sendable {
    /// At an address of its own: a lock may not move.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// Last: where it takes no bytes, as `Void`, it has the address of what follows, and Thread Sanitizer would take reading the
    /// lock's place for reading the value.
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs `body` while no other thread is in one of the same value.
    ///
    /// - Precondition: not called from within a `body` of the same value.
    package func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
