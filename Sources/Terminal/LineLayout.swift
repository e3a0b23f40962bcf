// SPDX-License-Identifier: Apache-2.0
// Positions of a line's characters on the screen. The rows are broken here rather than by the terminal, since terminals
// differ in the last column.

/// A prompt and a text as terminal rows, and the cell of the cursor.
package struct LineLayout: Equatable, Sendable {
    /// The rows to show, none wider than the terminal.
    package private(set) var rows: [String] = [""]
    /// The cursor's row among `rows`.
    package private(set) var cursorRow = 0
    /// The cursor's column, less than the terminal's width.
    package private(set) var cursorColumn = 0

    /// - Parameters:
    ///   - prompt: one line; may contain colour codes.
    ///   - maximumRows: if more rows are needed, those around the cursor are kept.
    package init(prompt: String, text: [Character], cursor: Int, columns: Int, maximumRows: Int) {
        let columns = max(columns, 2)
        var row = CellCounter()
        row.add(prompt.withoutEscapeSequences)
        // A prompt that leaves no room has its own row.
        if row.width >= columns {
            rows = wrapped(prompt.withoutEscapeSequences, width: columns)
            row = CellCounter()
            row.add(rows[rows.count - 1])
        } else {
            rows[0] = prompt
        }
        for (index, character) in text.lazy.map(\.printable).enumerated() {
            let pieces = character == "\n" ? [] : character.pieces(fitting: columns)
            if let first = pieces.first { makeRoom(for: first, in: &row, columns: columns) }
            if index == cursor { markCursor(&row, columns: columns) }
            if character == "\n" { newRow(&row) }
            for piece in pieces {
                makeRoom(for: piece, in: &row, columns: columns)
                rows[rows.count - 1].append(piece)
                row.add(piece)
            }
        }
        if cursor >= text.count { markCursor(&row, columns: columns) }
        keepRowsAroundCursor(max(maximumRows, 1))
    }

    private mutating func newRow(_ row: inout CellCounter) {
        rows.append("")
        row = CellCounter()
    }

    private mutating func makeRoom(for piece: Character, in row: inout CellCounter, columns: Int) {
        if row.width(adding: piece) > columns { newRow(&row) }
    }

    private mutating func markCursor(_ row: inout CellCounter, columns: Int) {
        // Text after the last column starts the next row.
        if row.width >= columns { newRow(&row) }
        (cursorRow, cursorColumn) = (rows.count - 1, row.width)
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
