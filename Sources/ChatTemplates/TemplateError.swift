// SPDX-License-Identifier: Apache-2.0
// Errors in a template, or in its data, with their positions.

/// A template that cannot be parsed or rendered.
package struct TemplateError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The stage that failed.
    package enum Kind: Equatable, Sendable {
        /// The template is malformed.
        case syntax
        /// An operation does not suit its operands, or a name is not defined.
        case evaluation
        /// A limit on steps, sizes or depth was reached.
        case limit
        /// The template itself rejected the conversation, by `raise_exception`.
        case raised
    }

    package let kind: Kind
    /// What was found and what was expected; for `raised` the template's own message.
    package let message: String
    /// Line in the template, from 1; 0 if the error has no position.
    package internal(set) var line = 0
    /// Column in Unicode scalars, from 1; 0 if the error has no position.
    package internal(set) var column = 0
    /// Position in scalars from the start of the template; -1 until it is known.
    var position = -1

    package var description: String {
        let place = line > 0 ? " (line \(line), column \(column))" : ""
        return switch kind {
        case .syntax: "template syntax: \(message)\(place)"
        case .evaluation: "template: \(message)\(place)"
        case .limit: "template limit: \(message)\(place)"
        case .raised: message
        }
    }

    init(_ kind: Kind, _ message: String, position: Int = -1) {
        self.kind = kind
        self.message = message
        self.position = position
    }

    static func evaluation(_ message: String) -> TemplateError { TemplateError(.evaluation, message) }
    static func limit(_ message: String) -> TemplateError { TemplateError(.limit, message) }

    /// The same error with line and column counted in the template's text.
    func located(in source: [Unicode.Scalar]) -> TemplateError {
        guard position >= 0, line == 0 else { return self }
        var error = self
        error.line = 1
        error.column = 1
        for scalar in source[..<min(position, source.count)] {
            if scalar == "\n" {
                error.line += 1
                error.column = 1
            } else {
                error.column += 1
            }
        }
        return error
    }

    /// Errors are equal if they look the same to the user.
    package static func == (left: TemplateError, right: TemplateError) -> Bool {
        left.kind == right.kind && left.message == right.message && left.line == right.line
            && left.column == right.column
    }
}
