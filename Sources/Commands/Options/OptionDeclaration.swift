// SPDX-License-Identifier: Apache-2.0
// The user-visible part of an option: its name and its --help text.

/// One option, flag or argument of a command line.
package struct OptionDeclaration: Sendable {
    package enum Kind: Sendable, Equatable {
        /// The model's file, an argument without a name.
        case file
        case flag
        /// A value that may begin with a dash, such as a number or a text.
        case text
        /// A value that may not begin with a dash: an option in its place means that the value is missing.
        case word
    }

    /// The name without dashes.
    package let name: String
    package let kind: Kind
    /// Placeholder for the value; nil for a flag.
    package var valueName: String?
    package let help: String
    /// Accepted values; empty accepts any.
    package var choices: [String] = []
    /// The default, as --help shows it.
    package var usualValue: String?
    package var isRequired = false
    /// Whether all given values count, rather than only the last one.
    package var takesSeveral = false

    /// As in "--threads <n>".
    package var label: String {
        kind == .file ? "<\(name)>" : "--\(name)" + (valueName.map { " <\($0)>" } ?? "")
    }

    /// The --help text, with the accepted values.
    package var explanation: String {
        choices.isEmpty ? help : "\(help) (values: \(choices.joined(separator: ", ")))"
    }

    func invalid(_ value: String) -> UsageError {
        let expected = choices.isEmpty ? "" : ", expected \(choices.joined(separator: ", "))"
        return UsageError("the value '\(value)' is invalid for '\(label)'\(expected)")
    }
}

/// An error in a command line. The caller that reads the words adds where to find help.
package struct UsageError: Error {
    let text: String

    init(_ text: String) { self.text = text }
}
