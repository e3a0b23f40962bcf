// SPDX-License-Identifier: Apache-2.0
// Running out of memory is an ordinary error: memory whose size depends on a model, an option or a text is allocated by code
// that can throw. Swift's own arrays and strings cannot throw; their memory is checked before work begins.

import Glibc

/// The system refused memory, or address space for it.
package struct AllocationError: Error, Equatable, Sendable {
    /// The number of bytes requested.
    package let byteCount: Int

    package init(byteCount: Int) { self.byteCount = byteCount }
}

extension AllocationError: CustomStringConvertible {
    /// One line, such as "out of memory: the system refused 4194304 bytes; `ulimit -v` is 120000".
    package var description: String {
        var limit = rlimit()
        let hasLimit =
            getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 && limit.rlim_cur != rlim_t.max
        let advice =
            hasLimit ? "`ulimit -v` is \(limit.rlim_cur / 1024)" : "free some, or use a smaller model"
        return "out of memory: the system refused \(byteCount) bytes; \(advice)"
    }
}

/// Unwraps an allocation; traps if the system refuses it. For memory that code that can throw has reserved before.
package func granted<Value>(_ value: @autoclosure () throws(AllocationError) -> Value) -> Value {
    do { return try value() } catch { preconditionFailure("\(error)") }
}

extension SystemMemory {
    /// Checks for room without taking it, for later allocations in small pieces that cannot throw.
    ///
    /// - Throws: `AllocationError` if the system would refuse this much now.
    package static func requireRoom(byteCount: Int) throws(AllocationError) {
        let mapped = mmap(
            nil, max(byteCount, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
            0)
        guard let mapped, mapped != MAP_FAILED else { throw AllocationError(byteCount: byteCount) }
        munmap(mapped, max(byteCount, 1))
    }
}
