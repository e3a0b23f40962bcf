// SPDX-License-Identifier: Apache-2.0
// Prepares the process before anything else, so that later code can rely on descriptors and signal handling.

import Glibc
import Platform

/// Prepares the process; called once, before anything is opened or run.
package func prepareProgram() {
    // A program may start without standard input, output or error. The next file that it opens would get their numbers,
    // and printed text would go into it. These placeholders keep the numbers, and their use is still an error: input
    // cannot be read, the others cannot be written. `open` returns the lowest free number, so this one; child processes
    // inherit it.
    for number in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
    where fcntl(number, F_GETFD) < 0 && errno == EBADF {
        _ = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
    OutOfMemoryGuard.install()
    // A closed pipe is an ordinary error, which `writeOutput` handles, and so is a file that exceeds `ulimit -f`.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    // Signals that request termination end a command at once, unless it handles them itself.
    Termination.install()
}
