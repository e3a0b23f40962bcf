// SPDX-License-Identifier: Apache-2.0
// The error for a file that breaks a rule: the rule, the value found, the value expected, and the position.

/// A numbered rule of one of the specifications in `formats/`.
package struct FormatRule: Hashable, Sendable, CustomStringConvertible {
    /// The specification's file name, such as "tiller.md".
    package let document: String
    package let number: Int
    /// A few words that name the rule.
    package let title: String

    /// The form in error messages: "tiller.md R7".
    package var description: String { "\(document) R\(number)" }
}

/// A file does not obey its format.
package struct FormatError: Error, Equatable, Sendable, CustomStringConvertible {
    package let rule: FormatRule
    /// A description of the file's value.
    package let found: String
    /// The value that the rule requires.
    package let expected: String
    /// Bytes from the start of the file; nil if the value has no single position, as in JSON.
    package let byteOffset: Int?
    /// The file's path; empty for bytes in memory.
    package var path = ""

    package init(_ rule: FormatRule, found: String, expected: String, byteOffset: Int? = nil) {
        self.rule = rule
        // Names come from the file: truncate them and remove everything that could confuse a terminal.
        self.found = Self.printable(found)
        self.expected = Self.printable(expected)
        self.byteOffset = byteOffset
    }

    /// One line: "model.tiller: tiller.md R7 (section bounds), byte 128: found …, expected …".
    package var description: String {
        let place = byteOffset.map { ", byte \($0)" } ?? ""
        let file = path.isEmpty ? "" : "\(path): "
        return "\(file)\(rule) (\(rule.title))\(place): found \(found), expected \(expected)"
    }

    private static func printable(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for (index, scalar) in text.unicodeScalars.enumerated() {
            guard index < 300 else { return String(result) + "…" }
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            result.append(isControl ? "\u{FFFD}" : scalar)
        }
        return String(result)
    }
}

/// Runs `body` and adds the file's path to the errors it throws.
package func namingFile<Result>(
    _ path: String, _ body: () throws(FormatError) -> Result
) throws(FormatError) -> Result {
    do {
        return try body()
    } catch {
        var named = error
        if named.path.isEmpty { named.path = path }
        throw named
    }
}
