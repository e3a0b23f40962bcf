// SPDX-License-Identifier: Apache-2.0
// Redraws the line being edited: move to its first row, erase, write, return to the cursor.

/// The rows of the terminal that belong to the prompt.
package struct LineScreen {
    /// Whether the line has changed since it was drawn.
    package var needsDrawing = true
    private let prompt: String
    private let output: Int32
    /// The terminal's size in cells.
    private let size: () -> (columns: Int, rows: Int)
    /// The terminal cursor's distance below the first row.
    private var cursorRow = 0

    /// - Parameter size: called for each drawing, since windows are resized.
    package init(
        prompt: String, output: Int32,
        size: @escaping () -> (columns: Int, rows: Int) = { (TerminalSize.columns, TerminalSize.rows) }
    ) {
        self.prompt = prompt
        self.output = output
        self.size = size
    }

    /// Shows the line, if it has changed.
    package mutating func draw(_ buffer: LineBuffer) {
        guard needsDrawing else { return }
        needsDrawing = false
        writeAll(backToStart + rows(buffer, cursor: buffer.cursor), to: output)
    }

    /// Shows the whole line and moves the cursor to the row below.
    package mutating func finish(_ buffer: LineBuffer) {
        writeAll(backToStart + rows(buffer, cursor: buffer.characters.count) + "\r\n", to: output)
        cursorRow = 0
    }

    /// Clears the terminal; the line moves to its top.
    mutating func clear() {
        writeAll("\u{1B}[H\u{1B}[2J", to: output)
        cursorRow = 0
        needsDrawing = true
    }

    /// Lists words in columns below the line, then draws the line again below them.
    mutating func show(_ words: [String], below buffer: LineBuffer) {
        finish(buffer)
        let columns = max(size().columns, 2)
        let cells = (words.map { displayWidth(of: $0) }.max() ?? 0) + 2
        let wordsPerRow = max(columns / cells, 1)
        for start in stride(from: 0, to: words.count, by: wordsPerRow) {
            let row = words[start..<min(start + wordsPerRow, words.count)]
            writeAll(row.map { $0.padded(toCells: cells) }.joined() + "\r\n", to: output)
        }
    }

    /// Moves to the first column of the first row and erases everything from there.
    private var backToStart: String {
        (cursorRow > 0 ? "\u{1B}[\(cursorRow)A" : "") + "\r\u{1B}[J"
    }

    private mutating func rows(_ buffer: LineBuffer, cursor: Int) -> String {
        let size = size()
        let layout = LineLayout(
            prompt: prompt, text: buffer.characters, cursor: cursor, columns: size.columns,
            maximumRows: size.rows)
        cursorRow = layout.cursorRow
        let up = layout.rows.count - 1 - layout.cursorRow
        // Without wrapping (DECAWM), no row is added if a terminal draws a character wider than we count it.
        return "\u{1B}[?7l" + layout.rows.joined(separator: "\r\n") + "\r\u{1B}[?7h"
            + (up > 0 ? "\u{1B}[\(up)A" : "")
            + (layout.cursorColumn > 0 ? "\u{1B}[\(layout.cursorColumn)C" : "")
    }
}
