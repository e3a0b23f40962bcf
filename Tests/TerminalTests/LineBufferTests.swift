// SPDX-License-Identifier: Apache-2.0
// Editing, key by key. "|" is the cursor.

import Terminal
import Testing

/// The text with the cursor after typing `input`.
private func edited(_ input: String, history: [String] = []) -> String {
    var buffer = LineBuffer(history: history)
    for key in keys(input.utf8) { _ = buffer.apply(key) }
    return shown(buffer)
}

private func shown(_ buffer: LineBuffer) -> String {
    String(buffer.characters[..<buffer.cursor]) + "|" + String(buffer.characters[buffer.cursor...])
}

private let left = "\u{1B}[D", right = "\u{1B}[C", up = "\u{1B}[A", down = "\u{1B}[B"

@Suite struct LineBufferTests {
    @Test(arguments: [
        ("abc", "abc|"), ("abc" + left + "X", "abX|c"), ("ab" + left + left + left + "X", "X|ab"),
        ("ab" + right + "X", "abX|"), ("ab\u{1}X\u{5}Y", "XabY|"), ("abc\u{7F}", "ab|"), ("\u{7F}", "|"),
        ("abc\u{1}\u{1B}[3~", "|bc"), ("abc\u{1B}[3~", "abc|"), ("abc\u{1}\u{4}", "|bc"),
        ("abc\u{4}", "abc|"),
        ("abc" + left + "\u{B}", "ab|"), ("abc" + left + "\u{15}", "|c"),
        ("one two  \u{17}", "one |"), ("one two\u{17}\u{17}\u{17}", "|"), ("a/b c-d\u{17}", "a/b |"),
        ("one two\u{1B}bX", "one X|two"), ("a-b\u{1B}b\u{1B}bX", "X|a-b"),
        ("one two\u{1}\u{1B}fX", "oneX| two"),
        ("one two\u{1}\u{1B}d", "| two"), ("one two\u{1B}\u{7F}", "one |"),
        ("ab\u{14}", "ba|"), ("abc" + left + "\u{14}", "acb|"), ("abc\u{1}\u{14}", "|abc"), ("a\u{14}", "a|"),
        ("日本" + left + "X", "日X|本"), ("日本\u{7F}", "日|"),
        ("\u{1B}[200~a\r\nb\tc\u{7}\u{1B}[201~", "a\nb    c|"),
        ("abc\u{3}x", "x|"),
    ])
    func keysEditTheLine(input: String, expected: String) {
        #expect(edited(input) == expected)
    }

    @Test func aCombiningMarkJoinsItsCharacter() {
        #expect(edited("e\u{301}\u{7F}") == "|")
        #expect(edited("ab" + left + left + right + "\u{301}" + "\u{7F}") == "|b")
        // Flags are pairs of scalars: the cursor never stands within one.
        #expect(edited("🇩🇪🇫🇷" + left + "X") == "🇩🇪X|🇫🇷")
        #expect(edited("🇩X🇪" + left + "\u{7F}") == "🇩🇪|" || edited("🇩X🇪" + left + "\u{7F}") == "|🇩🇪")
        #expect(edited("👩\u{200D}👩\u{200D}👧\u{7F}") == "|")
    }

    @Test func theHistoryIsWalkedAndTheNewLineKept() {
        let history = ["one", "two"]
        #expect(edited("new" + up, history: history) == "two|")
        #expect(edited("new" + up + up + up, history: history) == "one|")
        #expect(edited("new" + up + up + down + down, history: history) == "new|")
        #expect(edited("new" + up + down + down, history: history) == "new|")
        #expect(edited(up + "X" + down + up, history: history) == "two|")
        #expect(edited("new" + up, history: []) == "new|")
    }

    @Test func theEndOfALineIsAnEffect() {
        var buffer = LineBuffer()
        #expect(buffer.apply(.interrupt) == .interrupt)
        #expect(buffer.apply(.endOfInput) == .endOfInput)
        #expect(buffer.apply(.text("a")) == .redraw)
        #expect(buffer.apply(.interrupt) == .redraw)
        #expect(buffer.text == "")
        #expect(buffer.apply(.clearScreen) == .clearScreen)
        #expect(buffer.apply(.tab) == .complete)
        #expect(buffer.apply(.suspend) == .suspend)
        #expect(buffer.apply(.enter) == .accept)
    }

    @Test func aCompletionReplacesWhatIsBeforeTheCursor() {
        var buffer = LineBuffer()
        for key in keys(("/st now" + String(repeating: left, count: 4)).utf8) { _ = buffer.apply(key) }
        #expect(buffer.textBeforeCursor == "/st")
        buffer.replaceBeforeCursor(with: "/steer")
        #expect(shown(buffer) == "/steer| now")
    }
}

@Suite struct LineLayoutTests {
    private func layout(
        _ text: String, cursor: Int, columns: Int = 6, prompt: String = "> ", maximumRows: Int = 100
    ) -> LineLayout {
        LineLayout(
            prompt: prompt, text: Array(text), cursor: cursor, columns: columns, maximumRows: maximumRows)
    }

    @Test func shortLinesStayOnOneRow() {
        let layout = layout("abc", cursor: 1)
        #expect(layout.rows == ["> abc"])
        #expect((layout.cursorRow, layout.cursorColumn) == (0, 3))
    }

    @Test func longLinesAreBroken() {
        let layout = layout("abcdefghijkl", cursor: 5)
        #expect(layout.rows == ["> abcd", "efghij", "kl"])
        #expect((layout.cursorRow, layout.cursorColumn) == (1, 1))
    }

    @Test func theCursorBehindAFullRowIsOnTheNext() {
        let layout = layout("abcd", cursor: 4)
        #expect(layout.rows == ["> abcd", ""])
        #expect((layout.cursorRow, layout.cursorColumn) == (1, 0))
        #expect(self.layout("abcd", cursor: 3).rows == ["> abcd"])
    }

    @Test func whatATerminalObeysIsNotDrawn() {
        let layout = layout("a\u{1B}[b\u{202E}c\nd\u{9B}", cursor: 9, columns: 20)
        #expect(layout.rows == ["> a\u{FFFD}[b\u{FFFD}c", "d\u{FFFD}"])
        #expect((layout.cursorRow, layout.cursorColumn) == (1, 2))
    }

    @Test func aWideCharacterIsNotCut() {
        let layout = layout("abc日", cursor: 4)
        #expect(layout.rows == ["> abc", "日"])
        #expect((layout.cursorRow, layout.cursorColumn) == (1, 2))
    }

    @Test func lineBreaksBeginRows() {
        let layout = layout("a\nb", cursor: 1)
        #expect(layout.rows == ["> a", "b"])
        #expect((layout.cursorRow, layout.cursorColumn) == (0, 3))
        #expect(
            (self.layout("a\nb", cursor: 2).cursorRow, self.layout("a\nb", cursor: 2).cursorColumn) == (1, 0))
    }

    @Test func tooManyRowsAreCutAroundTheCursor() {
        let text = "abcdefghijklmnopqrstuvwxyz"
        let atEnd = layout(text, cursor: 26, maximumRows: 2)
        #expect(atEnd.rows == ["klmnop", "qrstuv", "wxyz"].suffix(2))
        #expect((atEnd.cursorRow, atEnd.cursorColumn) == (1, 4))
        let atStart = layout(text, cursor: 0, maximumRows: 2)
        #expect(atStart.rows == ["> abcd", "efghij"])
        #expect((atStart.cursorRow, atStart.cursorColumn) == (0, 2))
    }

    @Test func coloursInThePromptTakeNoCells() {
        let layout = layout("ab", cursor: 2, prompt: "\u{1B}[1m> \u{1B}[0m")
        #expect((layout.cursorRow, layout.cursorColumn) == (0, 4))
        #expect(self.layout("ab", cursor: 2, prompt: "a long prompt").rows == ["a long", "prompt", "ab"])
    }
}
