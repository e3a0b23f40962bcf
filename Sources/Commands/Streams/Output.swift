// SPDX-License-Identifier: Apache-2.0
// Standard output and error, written at once: streamed text must not wait in a buffer, and a full disk must not look like
// success.

import Glibc
import Platform
import Terminal

/// Writes a line to standard error.
package func writeError(_ text: String, terminator: String = "\n") {
    // If this fails, there is no other place to report it.
    _ = write(text + terminator, to: STDERR_FILENO)
}

/// Writes text to standard output at once, or ends the program.
///
/// If the reader has closed the pipe, as in `tiller … | head -1`, it has what it needs, and the program ends silently.
package func writeOutput(_ text: String) {
    guard let code = write(text, to: STDOUT_FILENO) else { return }
    guard code != EPIPE else { exit(0) }
    let reason = FileError(path: "standard output", operation: .write, code: code)
    writeError("tiller: \(reason)")
    exit(1)
}

/// Writes a line to standard output at once, or ends the program.
package func printLine(_ text: String = "") { writeOutput(text + "\n") }

/// Writes all of `text`; returns the system's error number if that fails.
private func write(_ text: String, to descriptor: Int32) -> Int32? {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return count < 0 ? errno : EIO }
        rest = rest.dropFirst(count)
    }
    return nil
}

extension String {
    /// The text of a file or a model, made safe to show: U+FFFD replaces control characters of terminals.
    package var printable: String { withControls { $0 == "\n" || $0 == "\t" } }

    /// The same on one line.
    package var printableLine: String {
        let lines = split(whereSeparator: \.isNewline).map { String($0).trimmed }
        return lines.joined(separator: " ").withControls { _ in false }
    }

    private func withControls(_ isKept: (Unicode.Scalar) -> Bool) -> String {
        guard unicodeScalars.contains(where: { $0.steersTerminal && !isKept($0) }) else { return self }
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            result.append(scalar.steersTerminal && !isKept(scalar) ? "\u{FFFD}" : scalar)
        }
        return String(result)
    }
}
