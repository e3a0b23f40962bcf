// SPDX-License-Identifier: Apache-2.0
// Ctrl-C asks a long operation to stop instead of killing the program: loops look at the flag between steps.
// Signals belong to the process, so this is the one piece of global state here.

import Glibc
import Synchronization

/// What was asked to stop has stopped. The standard library's `CancellationError` would bring all of Swift's concurrency
/// into the small static program.
package struct Interruption: Error { package init() {} }

/// Requests to stop, by SIGINT (Ctrl-C) and where wanted by SIGTERM.
package enum Interrupt {
    /// Requests since the last `reset`; atomic, so that the handler may touch it.
    private static let requestCount = Atomic<Int>(0)
    /// After this many requests that nobody looked at, the program ends as it would have at first.
    private static let patience = 3

    /// Begins to catch the signal; it still interrupts waiting system calls.
    /// - Parameter includingTermination: whether SIGTERM asks in the same way, for operations that have
    ///   something to clean up.
    package static func install(includingTermination: Bool = false) {
        // Initialized here, because a handler must not.
        requestCount.store(0, ordering: .sequentiallyConsistent)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            guard Interrupt.requestCount.add(1, ordering: .relaxed).newValue >= Interrupt.patience else {
                return
            }
            Glibc.signal(signal, SIG_DFL)
            raise(signal)
        }
        sigaction(SIGINT, &action, nil)
        if includingTermination { sigaction(SIGTERM, &action, nil) }
    }

    /// Whether a stop was requested since `install` or `reset`.
    package static var isRequested: Bool { requestCount.load(ordering: .relaxed) > 0 }

    /// Forgets past requests.
    package static func reset() { requestCount.store(0, ordering: .relaxed) }

    /// Gives the signals their usual effect again.
    package static func uninstall() {
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
    }
}
