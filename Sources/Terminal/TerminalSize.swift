// SPDX-License-Identifier: Apache-2.0
// The size of the terminal window, queried each time since windows are resized.

import Glibc

/// The size of the terminal in character cells.
package enum TerminalSize {
    /// Columns of the terminal; without a terminal the value of `COLUMNS`, or 80.
    package static var columns: Int { size?.columns ?? environment("COLUMNS") ?? 80 }

    /// Rows of the terminal; without a terminal the value of `LINES`, or 24.
    package static var rows: Int { size?.rows ?? environment("LINES") ?? 24 }

    private static var size: (columns: Int, rows: Int)? {
        for descriptor in [STDOUT_FILENO, STDERR_FILENO, STDIN_FILENO] {
            var size = winsize()
            guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
                continue
            }
            return (Int(size.ws_col), Int(size.ws_row))
        }
        return nil
    }

    private static func environment(_ name: String) -> Int? {
        getenv(name).flatMap { Int(String(cString: $0)) }.flatMap { (1...10_000).contains($0) ? $0 : nil }
    }
}
