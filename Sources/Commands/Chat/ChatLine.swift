// SPDX-License-Identifier: Apache-2.0
// Parses a line of a chat: a message, or a command that begins with a slash.

/// A line without surrounding white space.
package enum ChatLine: Equatable {
    case message(String)
    case command(String)

    /// Reads a line.
    ///
    /// A second slash, or white space before the first one, turns a command into a message. So does a line break, which
    /// only pasted text has, if the first word is no command: text often begins with a path.
    package init(_ line: String) {
        let text = line.trimmed
        if !line.hasPrefix("/") {
            self = .message(text)
        } else if text.hasPrefix("//") {
            self = .message(String(text.dropFirst()))
        } else if text.contains(where: \.isNewline), !ChatCommands.isCommand(text) {
            self = .message(text)
        } else {
            self = .command(text)
        }
    }
}
