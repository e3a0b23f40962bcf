// SPDX-License-Identifier: Apache-2.0
// A value that only one thread at a time may access. The lock is a POSIX mutex and not the standard library's `Mutex`, which
// Thread Sanitizer does not recognize: it reported every access under one as a race.

import Glibc

/// A value and the lock that guards it.
package final class Locked<Value>: @unchecked Sendable {
    /// Separately allocated: a lock may not move.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// Declared last: if it takes no bytes, as `Void` does, it shares the address of the following field, and Thread Sanitizer
    /// would mistake reading the lock's address for reading the value.
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

    /// Runs `body` while no other thread runs one for the same value.
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
