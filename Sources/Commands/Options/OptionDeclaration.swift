// SPDX-License-Identifier: Apache-2.0
// An option as people see it: its name, and what --help says of it.

/// One option, flag or argument of a command line.
package struct OptionDeclaration: Sendable {
    package enum Kind: Sendable, Equatable {
        /// The model's file, which stands without a name before it.
        case file
        case flag
        /// A value that may begin with a dash, as numbers and texts do.
        case text
        /// A value that may not: an option after it means that the value was forgotten.
        case word
    }

    /// Without dashes.
    package let name: String
    package let kind: Kind
    /// What stands for the value; nil for a flag.
    package var valueName: String?
    package let help: String
    /// Values that are accepted; empty where any may be.
    package var choices: [String] = []
    /// What holds unless given, as --help shows it.
    package var usualValue: String?
    package var isRequired = false
    /// Whether all values count that are given, and not only the last one.
    package var takesSeveral = false

    /// As in "--threads <n>".
    package var label: String {
        kind == .file ? "<\(name)>" : "--\(name)" + (valueName.map { " <\($0)>" } ?? "")
    }

    /// What --help says, with the values that are accepted.
    package var explanation: String {
        choices.isEmpty ? help : "\(help) (values: \(choices.joined(separator: ", ")))"
    }

    func invalid(_ value: String) -> UsageError {
        let expected = choices.isEmpty ? "" : ", expected \(choices.joined(separator: ", "))"
        return UsageError("the value '\(value)' is invalid for '\(label)'\(expected)")
    }
}

/// What is wrong with a command line. Who reads the words adds where help is.
package struct UsageError: Error {
    let text: String

    init(_ text: String) { self.text = text }
}
