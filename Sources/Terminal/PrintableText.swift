// SPDX-License-Identifier: Apache-2.0
// Characters that control a terminal rather than being shown.

extension Unicode.Scalar {
    /// Whether the scalar controls the program that shows it. That is a control character (C0, DEL, C1), which can move
    /// the cursor or send requests to the terminal, or one that changes the direction of the surrounding text (UAX #9).
    package var steersTerminal: Bool {
        switch value {
        case 0..<0x20, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}

extension Character {
    /// The character, or U+FFFD in place of a terminal control.
    var printable: Character {
        unicodeScalars.contains(where: \.steersTerminal) && self != "\n" ? "\u{FFFD}" : self
    }
}
