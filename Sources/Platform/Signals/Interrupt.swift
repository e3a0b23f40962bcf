// SPDX-License-Identifier: Apache-2.0
// Commands in which Ctrl-C stops an answer and not the program, or in which results must be kept: loops check the flag between
// steps. Everywhere else signals end the program at once (Termination).

import Glibc
import Synchronization

/// A requested stop has happened. The standard library's `CancellationError` would pull all of Swift's concurrency
/// into the small static program.
package struct Interruption: Error { package init() {} }

/// Requests to stop, by SIGINT (Ctrl-C).
package enum Interrupt {
    /// Requests since the last `reset`; atomic, so that the handler may change it.
    private static let requestCount = Atomic<Int>(0)
    /// After this many ignored requests the program ends, as the signal's default action would have ended it.
    private static let patience = 3

    /// Begins to catch the signal, unless it is ignored; the signal still interrupts waiting system calls.
    package static func install() {
        // Initialized here, because a handler must not do so.
        requestCount.store(0, ordering: .sequentiallyConsistent)
        guard !Termination.isIgnored(SIGINT) else { return }
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            guard Interrupt.requestCount.add(1, ordering: .relaxed).newValue >= Interrupt.patience else {
                return
            }
            Termination.end(by: signal)
        }
        sigaction(SIGINT, &action, nil)
    }

    /// Whether a stop was requested since `install` or `reset`.
    package static var isRequested: Bool { requestCount.load(ordering: .relaxed) > 0 }

    /// Forgets past requests.
    package static func reset() { requestCount.store(0, ordering: .relaxed) }

    /// Makes the signal end the program again; an earlier request then ends it at once.
    package static func uninstall() {
        guard !Termination.isIgnored(SIGINT) else { return }
        Termination.endBy(SIGINT)
        if isRequested { Termination.end(by: SIGINT) }
    }
}
