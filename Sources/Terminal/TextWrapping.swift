// SPDX-License-Identifier: Apache-2.0
// Breaks text into lines that fit a width in cells.

/// The lines of `text`, none wider than `width` cells: broken at spaces where possible, else within a word.
/// Line breaks of the text are kept; spaces at a break are dropped.
/// - Precondition: `width` is at least 2, the width of the widest character.
package func wrapped(_ text: String, width: Int) -> [String] {
    precondition(width >= 2, "wrapped: a line must fit the widest character")
    // No other control characters may reach the terminal, since they move the cursor.
    let visible = text.replacingControlCharacters()
    return visible.split(separator: "\n", omittingEmptySubsequences: false)
        .flatMap { wrapped(line: $0, width: width) }
}

private func wrapped(line: Substring, width: Int) -> [String] {
    var lines: [String] = []
    var current = ""
    var used = CellCounter()
    /// The last space of the current line, where it can be broken.
    var lastSpace: String.Index?
    for character in line.flatMap({ $0.pieces(fitting: width) }) {
        if used.width(adding: character) > width {
            // A space at the end of a full line is the break itself.
            if character == " " {
                lines.append(current)
                (current, used, lastSpace) = ("", CellCounter(), nil)
                continue
            }
            if let space = lastSpace {
                let tail = String(current[current.index(after: space)...])
                lines.append(String(current[..<space]))
                (current, used, lastSpace) = (tail, CellCounter(), nil)
                used.add(tail)
            }
            if used.width(adding: character) > width {
                lines.append(current)
                (current, used) = ("", CellCounter())
            }
        }
        if character == " " { lastSpace = current.endIndex }
        current.append(character)
        used.add(character)
    }
    lines.append(current)
    return lines
}

extension String {
    /// The text with "\n" for every line break, spaces for tabs, and without other control characters.
    func replacingControlCharacters() -> String {
        var result = ""
        for character in self {
            switch character {
            case "\r\n", "\r", "\n": result.append("\n")
            case "\t": result.append("    ")
            default:
                guard let scalar = character.unicodeScalars.first else { continue }
                if scalar.properties.generalCategory != .control { result.append(character) }
            }
        }
        return result
    }

    /// The text, padded with spaces to `width` cells.
    func padded(toCells width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - displayWidth(of: self)))
    }
}
