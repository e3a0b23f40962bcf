// SPDX-License-Identifier: Apache-2.0
// A program may be started without standard input, output or error. The next file that it opens would then take their
// numbers, and what is printed would go into it.

import Glibc

package enum StandardDescriptors {
    /// Opens those that are missing, so that using one is an error as before: input cannot be read, the others cannot be
    /// written. To be called before anything is opened.
    package static func openMissing() {
        for number in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(number, F_GETFD) < 0 && errno == EBADF {
            // The lowest free number is this one. It stays open in the programs that this one starts, as the others do.
            _ = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
