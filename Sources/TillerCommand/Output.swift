// SPDX-License-Identifier: Apache-2.0
// Standard output and error, written at once: streamed text must not wait in a buffer.

import Glibc

/// Writes a line to standard error.
func writeError(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

/// Writes text to standard output at once.
func writeOutput(_ text: String) { write(text, to: STDOUT_FILENO) }

/// A reader that has gone away, as in a closed pipe, is no error: the next write to it ends the program.
private func write(_ text: String, to descriptor: Int32) {
    // What `print` has buffered comes first.
    fflush(nil)
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
    }
}
