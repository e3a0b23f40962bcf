// SPDX-License-Identifier: Apache-2.0
// What a program does before anything else, so that neither missing descriptors nor signals surprise it later.

import Glibc
import Platform

/// Called once, before anything is opened or run.
package func prepareProgram() {
    // A program may be started without standard input, output or error. The next file that it opens would take their numbers,
    // and what is printed would go into it. Opened like this, using one is an error as before: input cannot be read, the
    // others cannot be written. The lowest free number is this one; it stays open in the programs that this one starts.
    for number in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
    where fcntl(number, F_GETFD) < 0 && errno == EBADF {
        _ = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
    OutOfMemoryGuard.install()
    // A closed pipe is an error like any other, which `writeOutput` handles, and so is a file that outgrows `ulimit -f`.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    // Signals that ask for the end bring it at once to commands that have not asked for anything else.
    Termination.install()
}
