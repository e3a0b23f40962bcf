// SPDX-License-Identifier: Apache-2.0
// What signals do to commands that have not asked for anything else: those that ask for the end bring it at once, and a
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
        Termination.install()
    }
}
