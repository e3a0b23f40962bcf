// SPDX-License-Identifier: Apache-2.0
// How text from elsewhere is shown: nothing in it is obeyed.

import Commands
import Testing

@Test(
    arguments: [
        "\u{1B}", "\u{7}", "\0", "\r", "\u{7F}", "\u{80}", "\u{9B}", "\u{9F}", "\u{202A}", "\u{202E}",
        "\u{2066}",
        "\u{2069}",
    ] as [Unicode.Scalar])
func whatATerminalObeysIsShownAsReplaced(scalar: Unicode.Scalar) {
    let text = "a\(scalar)]0;x"
    #expect(text.printable == "a\u{FFFD}]0;x")
    #expect("\n\(scalar)b".printable == "\n\u{FFFD}b")
    if scalar != "\r" { #expect(text.printableLine == "a\u{FFFD}]0;x") }
}

@Test func whatATerminalShowsIsKept() {
    for text in ["", "a b\tc\nd", "é 日本 👩‍👩‍👧 עברית \u{200F}\u{200D}", "\u{A0}\u{2029}\u{202F}\u{206A}"] {
        #expect(text.printable == text)
    }
}
