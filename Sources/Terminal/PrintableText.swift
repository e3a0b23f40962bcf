// SPDX-License-Identifier: Apache-2.0
// What a terminal obeys instead of showing it.

extension Unicode.Scalar {
    /// Whether the scalar is a command to whoever shows it: a control character (C0, DEL, C1), which can move the cursor or
    /// ask the terminal for more, or one of those that turn the direction of the text around them (UAX #9).
    package var steersTerminal: Bool {
        switch value {
        case 0..<0x20, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}

extension Character {
    /// The character, or U+FFFD for one that a terminal obeys.
    var printable: Character {
        unicodeScalars.contains(where: \.steersTerminal) && self != "\n" ? "\u{FFFD}" : self
    }
}
