// SPDX-License-Identifier: Apache-2.0
// What signals do to commands that have not asked for anything else: Ctrl-C ends them with exit code 130, and a
// closed pipe is an error like any other, which `writeOutput` handles.

import Glibc
import Platform

package enum Signals {
    /// Called once, before anything else runs.
    package static func install() {
        OutOfMemoryGuard.install()
        signal(SIGPIPE, SIG_IGN)
        // The same for a file that outgrows `ulimit -f`: as an error, it is cleaned up behind.
        signal(SIGXFSZ, SIG_IGN)
        var previous = sigaction()
        sigaction(SIGINT, nil, &previous)
        // A shell that starts something in the background has it ignore Ctrl-C.
        let ignored = unsafeBitCast(SIG_IGN, to: Int.self)
        guard unsafeBitCast(previous.__sigaction_handler.sa_handler, to: Int.self) != ignored else { return }
        var action = sigaction()
        // A progress bar leaves the cursor in the middle of its line.
        if isatty(STDERR_FILENO) == 1 {
            action.__sigaction_handler.sa_handler = { _ in Signals.end("\ntiller: interrupted\n") }
        } else {
            action.__sigaction_handler.sa_handler = { _ in Signals.end("tiller: interrupted\n") }
        }
        sigaction(SIGINT, &action, nil)
    }

    /// All that a signal handler may do.
    private static func end(_ message: StaticString) -> Never {
        _ = Glibc.write(STDERR_FILENO, message.utf8Start, message.utf8CodeUnitCount)
        _exit(130)
    }
}
