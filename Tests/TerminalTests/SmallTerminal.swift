// SPDX-License-Identifier: Apache-2.0
// A terminal of a few rows, as far as the line editor needs one: it prints, wraps, moves, erases.

import Terminal

/// What stands on the screen, and where the cursor is.
struct SmallTerminal {
    let columns: Int
    private(set) var rows: [String] = [""]
    private(set) var cursorRow = 0
    private(set) var cursorColumn = 0
    /// What a real terminal would not have shown as it was meant.
    private(set) var faults: [String] = []
    private var wraps = true

    init(columns: Int) { self.columns = columns }

    /// The rows down to the last that is not empty.
    var visibleRows: [String] { Array(rows[...(rows.lastIndex { !$0.isEmpty } ?? 0)]) }

    /// Prints text and obeys control sequences.
    mutating func write(_ text: String) {
        var scalars = Array(text.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            switch scalar {
            case "\r": cursorColumn = 0
            case "\n": moveToRow(cursorRow + 1)
            case "\u{1B}" where scalars.first == "[":
                let parameters = scalars.dropFirst().prefix { !("@"..."~").contains($0) }
                scalars = scalars[parameters.endIndex...]
                guard let command = scalars.popFirst() else {
                    return faults.append("sequence without an end")
                }
                obey(command, String(String.UnicodeScalarView(parameters)))
            default: show(scalar)
            }
        }
    }

    private mutating func obey(_ command: Unicode.Scalar, _ parameters: String) {
        let count = Int(parameters) ?? 1
        switch (command, parameters) {
        case ("A", _): cursorRow = max(cursorRow - count, 0)
        case ("C", _): cursorColumn = min(cursorColumn + count, columns - 1)
        case ("J", ""):
            if cursorColumn != 0 { faults.append("erased from column \(cursorColumn)") }
            rows[cursorRow...] = [""]
        case ("h", "?7"), ("l", "?7"): wraps = command == "h"
        default: faults.append("unknown sequence \(parameters)\(command)")
        }
    }

    private mutating func show(_ scalar: Unicode.Scalar) {
        let longer = rows[cursorRow] + String(scalar)
        if displayWidth(of: rows[cursorRow]) < cursorColumn { faults.append("a gap before \(scalar)") }
        guard displayWidth(of: longer) > columns else {
            rows[cursorRow].unicodeScalars.append(scalar)
            cursorColumn = displayWidth(of: longer)
            return
        }
        faults.append("no room for \(scalar)")
        if wraps {
            moveToRow(cursorRow + 1)
            rows[cursorRow] = String(scalar)
            cursorColumn = displayWidth(of: rows[cursorRow])
        }
    }

    private mutating func moveToRow(_ row: Int) {
        cursorRow = row
        if row == rows.count { rows.append("") }
    }
}
