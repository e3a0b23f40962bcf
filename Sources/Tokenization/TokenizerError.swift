// SPDX-License-Identifier: Apache-2.0
// Errors in a vocabulary or a tokenizer section: the rules of formats/tokenizer.md by name.

/// A rule that a vocabulary or a tokenizer section breaks.
package struct TokenizerError: Error, Equatable, CustomStringConvertible {
    /// The rules of formats/tokenizer.md §4.
    package enum Rule: String, Sendable {
        case header = "T1"
        case version = "T2"
        case kind = "T3"
        case flags = "T4"
        case limits = "T5"
        case size = "T6"
        case specialIds = "T7"
        case texts = "T8"
        case types = "T9"
        case scores = "T10"
        case byteTokens = "T11"
        case endOfGeneration = "T12"
        case specialTokens = "T13"
        case textTable = "T14"
        case merges = "T15"
        case mergeTable = "T16"
        case rules = "T17"
    }

    package let rule: Rule
    package let found: String
    package let expected: String
    /// The field or entry concerned.
    package let place: String

    package init(_ rule: Rule, found: String, expected: String, at place: String) {
        self.rule = rule
        self.found = found
        self.expected = expected
        self.place = place
    }

    package var description: String {
        "tokenizer, rule \(rule.rawValue) (\(rule)): \(place) is \(found), expected \(expected)"
    }
}
