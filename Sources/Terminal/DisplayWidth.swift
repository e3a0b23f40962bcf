// SPDX-License-Identifier: Apache-2.0
// The number of terminal cells of a text, which may contain our own colour codes.

/// Cells of `text` on one line; escape sequences, control characters and line breaks take none.
package func displayWidth(of text: String) -> Int {
    // Most text is ASCII without codes.
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text.utf8.count }
    var counter = CellCounter()
    var rest = Substring(text)
    while let character = rest.first {
        if character == "\u{1B}" {
            rest = rest.dropEscapeSequence()
        } else {
            counter.add(character)
            rest.removeFirst()
        }
    }
    return counter.width
}

extension Character {
    /// The character, or its scalars if a row of `columns` cells cannot hold it: Hangul, for example, does not limit the
    /// letters of a syllable.
    func pieces(fitting columns: Int) -> [Character] {
        CellCounter().width(adding: self) <= columns ? [self] : unicodeScalars.map(Character.init)
    }
}

extension Substring {
    /// The text after the escape sequence at the start (ECMA-48: CSI, OSC, or two characters).
    func dropEscapeSequence() -> Substring {
        let rest = dropFirst()
        switch rest.first {
        case "[":
            let end = rest.dropFirst().firstIndex { ("@"..."~").contains($0) }
            return end.map { rest[rest.index(after: $0)...] } ?? rest.suffix(0)
        case "]":
            let end = rest.firstIndex { $0 == "\u{07}" || $0 == "\u{1B}" }
            guard let end else { return rest.suffix(0) }
            let tail = rest[end...].dropFirst()
            return rest[end] == "\u{1B}" && tail.first == "\\" ? tail.dropFirst() : tail
        default:
            return rest.dropFirst()
        }
    }
}
