// SPDX-License-Identifier: Apache-2.0
// Widths, wrapping, columns, and when there is colour.

import Terminal
import Testing

@Suite struct DisplayWidthTests {
    @Test(arguments: [
        ("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("日本", 4), ("한국", 4), ("ｆ", 2), ("ﾊ", 1), ("😀", 2),
        ("👩\u{200D}👩\u{200D}👧", 2), ("🇩🇪", 2), ("❤\u{FE0F}", 2), ("❤", 1), ("→█─", 3), ("\u{200B}", 0),
        ("\u{AD}", 1), ("a\tb\n", 2), ("\u{1B}[1mab\u{1B}[0m", 2), ("\u{1B}[38;5;12mx", 1),
        ("\u{1B}]0;title\u{7}x", 1), ("\u{1B}]8;;u\u{1B}\\x", 1), ("\u{1B}[", 0), ("\u{1B}", 0), ("1", 1),
        ("1\u{301}", 1),
    ])
    func textTakesItsCells(text: String, width: Int) {
        #expect(displayWidth(of: text) == width)
    }
}

@Suite struct WrappingTests {
    @Test(arguments: [
        ("", [""]), ("abc", ["abc"]), ("abcdef", ["abcdef"]), ("abcdefg", ["abcdef", "g"]),
        ("ab cd ef", ["ab cd", "ef"]), ("ab cdefg", ["ab", "cdefg"]), ("ab cdefgh", ["ab", "cdefgh"]),
        ("ab cdefghi", ["ab", "cdefgh", "i"]), ("abcdef gh", ["abcdef", "gh"]),
        ("a\n\nb\n", ["a", "", "b", ""]),
        ("日本語日本語", ["日本語", "日本語"]), ("a日本語", ["a日本", "語"]), ("  ab", ["  ab"]), ("a\r\nb", ["a", "b"]),
        ("a\tb", ["a    b"]), ("a\u{1B}\u{7}b", ["ab"]),
    ])
    func linesFit(text: String, expected: [String]) {
        #expect(wrapped(text, width: 6) == expected)
    }

    @Test func nothingIsWiderThanTheLineOrLost() {
        let text = "The quick 棕色 fox jumps over thelazydogwithoutanyspaces 😀😀😀 and on"
        for width in 2..<40 {
            let lines = wrapped(text, width: width)
            #expect(lines.allSatisfy { displayWidth(of: $0) <= width })
            #expect(lines.joined().filter { $0 != " " } == text.filter { $0 != " " })
        }
    }
}

@Suite struct SideBySideTests {
    @Test func textsStandInColumns() {
        let text = SideBySide.render(
            left: "one two three four five", right: "short", titles: ("plain", "steered"), width: 35)
        #expect(
            text == """
                plain            │ steered
                ─────────────────┼─────────────────
                one two three    │ short
                four five        │\u{20}
                """)
    }

    @Test func narrowTerminalsStackThem() {
        let text = SideBySide.render(left: "ab cd", right: "x", titles: ("l", "r"), width: 4)
        #expect(text == "l\n────\nab\ncd\n\nr\n────\nx")
        #expect(!SideBySide.render(left: "日", right: "x", titles: ("l", "r"), width: -5).isEmpty)
    }
}

@Suite struct StyleTests {
    @Test func colourNeedsATerminalAndNoObjection() {
        let none: (String) -> String? = { _ in nil }
        #expect(Style.isEnabled(isTerminal: true, environment: none))
        #expect(!Style.isEnabled(isTerminal: false, environment: none))
        #expect(!Style.isEnabled(isTerminal: true) { $0 == "NO_COLOR" ? "1" : nil })
        #expect(Style.isEnabled(isTerminal: true) { $0 == "NO_COLOR" ? "" : nil })
        #expect(!Style.isEnabled(isTerminal: true) { $0 == "TERM" ? "dumb" : nil })
    }
}
