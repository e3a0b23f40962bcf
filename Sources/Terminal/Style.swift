// SPDX-License-Identifier: Apache-2.0
// Text attributes for people at a terminal; plain text for programs that read our output. https://no-color.org

import Glibc

/// Text attributes on standard output.
package enum Style {
    /// Whether attributes are written: standard output is a terminal that supports them, and `NO_COLOR` is unset.
    package static let isEnabled = isEnabled(isTerminal: isatty(STDOUT_FILENO) == 1) { name in
        getenv(name).map { String(cString: $0) }
    }

    /// The rule for `isEnabled`.
    package static func isEnabled(isTerminal: Bool, environment: (String) -> String?) -> Bool {
        isTerminal && (environment("NO_COLOR") ?? "").isEmpty && environment("TERM") != "dumb"
    }

    package static func bold(_ text: String) -> String { styled(text, "1") }
    package static func dim(_ text: String) -> String { styled(text, "2") }
    package static func yellow(_ text: String) -> String { styled(text, "33") }

    private static func styled(_ text: String, _ code: String) -> String {
        isEnabled && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
