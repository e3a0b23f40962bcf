// SPDX-License-Identifier: Apache-2.0
// The line being edited: keys in, text and cursor out. It does not use a terminal.

/// Editable text with a cursor, and the history that can replace it.
package struct LineBuffer: Sendable {
    /// The action that the caller must take after a key.
    package enum Effect: Equatable, Sendable {
        /// The text or the cursor may have changed.
        case redraw
        case clearScreen, complete, suspend
        /// The line is complete.
        case accept, interrupt, endOfInput
    }

    /// The text as user-perceived characters, one per cursor step.
    package private(set) var characters: [Character] = []
    /// The number of characters before the cursor.
    package private(set) var cursor = 0
    /// Earlier lines, oldest first.
    private let history: [String]
    /// The entry shown; `history.count` for the new line.
    private var entry: Int
    /// The new line, while an entry is shown.
    private var newLine: [Character] = []

    package init(history: [String] = []) {
        self.history = history
        entry = history.count
    }

    package var text: String { String(characters) }
    package var textBeforeCursor: String { String(characters[..<cursor]) }

    /// Applies one key.
    package mutating func apply(_ key: Key) -> Effect {
        switch key {
        case .text(let scalar): insert(String(Character(scalar)))
        case .paste(let text): insert(text.replacingControlCharacters())
        case .backspace: remove(max(cursor - 1, 0)..<cursor)
        case .deleteForward: remove(cursor..<min(cursor + 1, characters.count))
        case .left: cursor = max(cursor - 1, 0)
        case .right: cursor = min(cursor + 1, characters.count)
        case .home: cursor = 0
        case .end: cursor = characters.count
        case .wordLeft: cursor = startOfWord
        case .wordRight: cursor = endOfWord
        case .killToEnd: remove(cursor..<characters.count)
        case .killToStart: remove(0..<cursor)
        case .killWord: remove(startOfField..<cursor)
        case .killWordForward: remove(cursor..<endOfWord)
        case .transpose: transpose()
        case .up: recall(entry - 1)
        case .down: recall(entry + 1)
        case .clearScreen: return .clearScreen
        case .suspend: return .suspend
        case .tab: return .complete
        case .enter: return .accept
        case .interrupt:
            if characters.isEmpty { return .interrupt }
            self = LineBuffer(history: history)
        case .endOfInput:
            if characters.isEmpty { return .endOfInput }
            remove(cursor..<min(cursor + 1, characters.count))
        }
        return .redraw
    }

    /// Replaces everything before the cursor with `text`.
    package mutating func replaceBeforeCursor(with text: String) {
        remove(0..<cursor)
        insert(text)
    }

    // MARK: - Changes

    private mutating func insert(_ text: String) {
        // A combining mark joins the character before it, so count the characters again.
        let head = Array(String(characters[..<cursor]) + text)
        let whole = Array(String(head) + String(characters[cursor...]))
        cursor = min(head.count, whole.count)
        characters = whole
    }

    private mutating func remove(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        characters.removeSubrange(range)
        cursor = range.lowerBound
        // Characters that are now adjacent may have become one.
        let whole = Array(String(characters))
        guard whole.count != characters.count else { return }
        cursor = min(Array(String(characters[..<cursor])).count, whole.count)
        characters = whole
    }

    /// Swaps the characters around the cursor; at the end, the last two.
    private mutating func transpose() {
        guard cursor > 0, characters.count > 1 else { return }
        let second = min(cursor, characters.count - 1)
        characters.swapAt(second - 1, second)
        cursor = second + 1
    }

    private mutating func recall(_ wanted: Int) {
        guard wanted >= 0, wanted <= history.count else { return }
        if entry == history.count { newLine = characters }
        entry = wanted
        characters = wanted == history.count ? newLine : Array(history[wanted])
        cursor = characters.count
    }

    // MARK: - Words

    private func isInWord(_ index: Int) -> Bool { characters[index].isLetter || characters[index].isNumber }

    private var startOfWord: Int {
        var index = cursor
        while index > 0, !isInWord(index - 1) { index -= 1 }
        while index > 0, isInWord(index - 1) { index -= 1 }
        return index
    }

    private var endOfWord: Int {
        var index = cursor
        while index < characters.count, !isInWord(index) { index += 1 }
        while index < characters.count, isInWord(index) { index += 1 }
        return index
    }

    /// Ctrl-W deletes up to a space, as in a shell.
    private var startOfField: Int {
        var index = cursor
        while index > 0, characters[index - 1].isWhitespace { index -= 1 }
        while index > 0, !characters[index - 1].isWhitespace { index -= 1 }
        return index
    }
}
