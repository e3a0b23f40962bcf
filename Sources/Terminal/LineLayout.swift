// SPDX-License-Identifier: Apache-2.0
// Where the characters of a line stand on the screen. Rows are broken here and not by the terminal, whose
// behaviour in the last column differs.

/// A prompt and a text as rows of a terminal, and the cell of the cursor.
package struct LineLayout: Equatable, Sendable {
    /// The rows to show, none wider than the terminal.
    package private(set) var rows: [String] = [""]
    /// The cursor's row among `rows`.
    package private(set) var cursorRow = 0
    /// The cursor's column, below the terminal's width.
    package private(set) var cursorColumn = 0

    /// - Parameters:
    ///   - prompt: one line; may hold colour codes.
    ///   - maximumRows: when more are needed, those around the cursor are kept.
    package init(prompt: String, text: [Character], cursor: Int, columns: Int, maximumRows: Int) {
        let columns = max(columns, 2)
        var column = displayWidth(of: prompt)
        // A prompt that leaves no room has its own row.
        if column >= columns {
            rows = wrapped(prompt.withoutEscapeSequences, width: columns)
            column = displayWidth(of: rows[rows.count - 1])
        } else {
            rows[0] = prompt
        }
        for (index, character) in text.lazy.map(\.printable).enumerated() {
            let isBreak = character == "\n"
            let width = isBreak ? 0 : displayWidth(of: character)
            if column + width > columns { newRow(&column) }
            if index == cursor { markCursor(&column, columns: columns) }
            if isBreak {
                newRow(&column)
            } else {
                rows[rows.count - 1].append(character)
                column += width
            }
        }
        if cursor >= text.count { markCursor(&column, columns: columns) }
        keepRowsAroundCursor(max(maximumRows, 1))
    }

    private mutating func newRow(_ column: inout Int) {
        rows.append("")
        column = 0
    }

    private mutating func markCursor(_ column: inout Int, columns: Int) {
        // Behind the last column is the start of the next row.
        if column >= columns { newRow(&column) }
        (cursorRow, cursorColumn) = (rows.count - 1, column)
    }

    private mutating func keepRowsAroundCursor(_ maximum: Int) {
        guard rows.count > maximum else { return }
        let first = min(max(cursorRow - maximum + 1, 0), rows.count - maximum)
        rows = Array(rows[first..<first + maximum])
        cursorRow -= first
    }
}

extension String {
    fileprivate var withoutEscapeSequences: String {
        var result = ""
        var rest = Substring(self)
        while let character = rest.first {
            if character == "\u{1B}" {
                rest = rest.dropEscapeSequence()
            } else {
                result.append(character)
                rest.removeFirst()
            }
        }
        return result
    }
}
