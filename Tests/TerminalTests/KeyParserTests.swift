// SPDX-License-Identifier: Apache-2.0
// Bytes of real terminals, broken bytes, and all bytes.

import Terminal
import TestSupport
import Testing

/// The keys in a string of bytes.
func keys(_ bytes: some Sequence<UInt8>) -> [Key] {
    var parser = KeyParser()
    return bytes.compactMap { parser.feed($0) }
}

@Suite struct KeyParserTests {
    @Test(arguments: [
        ("a", [Key.text("a")]), ("é", [.text("é")]), ("日", [.text("日")]), ("😀", [.text("😀")]),
        ("\u{1B}[A\u{1B}[B\u{1B}[C\u{1B}[D", [.up, .down, .right, .left]),
        ("\u{1B}OA\u{1B}OB\u{1B}OC\u{1B}OD\u{1B}OH\u{1B}OF", [.up, .down, .right, .left, .home, .end]),
        ("\u{1B}[H\u{1B}[F\u{1B}[1~\u{1B}[4~\u{1B}[7~\u{1B}[8~", [.home, .end, .home, .end, .home, .end]),
        ("\u{1B}[3~", [.deleteForward]),
        ("\u{1B}b\u{1B}f\u{1B}d", [.wordLeft, .wordRight, .killWordForward]),
        ("\u{1B}[1;5D\u{1B}[1;3C\u{1B}[1;2C", [.wordLeft, .wordRight, .right]),
        (
            "\u{1}\u{5}\u{B}\u{15}\u{17}\u{C}\u{14}",
            [
                .home, .end, .killToEnd, .killToStart, .killWord, .clearScreen, .transpose,
            ]
        ),
        (
            "\u{3}\u{4}\u{1A}\r\n\t\u{8}\u{7F}",
            [
                .interrupt, .endOfInput, .suspend, .enter, .enter, .tab, .backspace, .backspace,
            ]
        ),
        ("\u{2}\u{6}\u{10}\u{E}", [.left, .right, .up, .down]),
        ("\u{1B}[200~a\nb\u{1B}[A\u{1B}[201~c", [.paste("a\nb\u{1B}[A"), .text("c")]),
        ("\u{1B}[200~\u{1B}[201~", [.paste("")]),
        ("\u{1B}[99~\u{1B}[?1;2cx\u{1B}zy\u{1B}\u{1B}[A", [.text("x"), .text("y"), .up]),
    ])
    func sequencesOfTerminalsAreKeys(input: String, expected: [Key]) {
        #expect(keys(input.utf8) == expected)
    }

    @Test(
        arguments: [
            ([0xFF], "\u{FFFD}"), ([0x80], "\u{FFFD}"), ([0xC3, 0x28], "("),
            ([0xE0, 0x80, 0x80], "\u{FFFD}"),
            ([0xED, 0xA0, 0x80], "\u{FFFD}"), ([0xF4, 0x90, 0x80, 0x80], "\u{FFFD}"),
            ([0xE2, 0x82, 0xC3, 0xA9], "é"),
        ] as [([UInt8], Unicode.Scalar)])
    func brokenCharactersAreReplacedOrLeftOut(bytes: [UInt8], expected: Unicode.Scalar) {
        #expect(keys(bytes) == [.text(expected)])
    }

    @Test func everyScalarArrives() {
        for value in stride(from: UInt32(0x80), to: 0x110000, by: 97) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            #expect(keys(String(Character(scalar)).utf8) == [.text(scalar)])
        }
    }

    @Test func anEscapeKeyIsForgotten() {
        var parser = KeyParser()
        #expect(parser.feed(0x1B) == nil)
        #expect(parser.isAfterEscape)
        parser.cancel()
        #expect(!parser.isAfterEscape)
        #expect(parser.feed(UInt8(ascii: "b")) == .text("b"))
    }

    @Test func longSequencesEnd() {
        #expect(keys("\u{1B}[".utf8 + [UInt8](repeating: UInt8(ascii: "1"), count: 100)).isEmpty == false)
    }

    /// Whatever comes, the buffer stays consistent and can be laid out.
    @Test func noBytesBreakTheEditor() {
        var generator = SeededGenerator(seed: 11)
        let favourites = Array(
            "ab \u{1B}[ABCD~O;0123é日😀\u{301}\r\n\t\u{1}\u{4}\u{5}\u{B}\u{14}\u{15}\u{17}\u{7F}".utf8)
        var parser = KeyParser()
        var buffer = LineBuffer(history: ["first", "zweite Zeile", "三行目\nx"])
        for step in 0..<60_000 {
            let isFavourite = Int.random(in: 0..<4, using: &generator) > 0
            let byte =
                isFavourite
                ? favourites[Int.random(in: 0..<favourites.count, using: &generator)]
                : UInt8.random(in: 0...255, using: &generator)
            if let key = parser.feed(byte) { _ = buffer.apply(key) }
            #expect(buffer.cursor >= 0 && buffer.cursor <= buffer.characters.count)
            #expect(Array(buffer.text).count == buffer.characters.count)
            if step % 16 == 0 {
                let columns = Int.random(in: 1..<30, using: &generator)
                let layout = LineLayout(
                    prompt: "> ", text: buffer.characters, cursor: buffer.cursor, columns: columns,
                    maximumRows: 5)
                #expect(layout.rows.count <= 5)
                #expect(layout.rows.allSatisfy { displayWidth(of: $0) <= max(columns, 2) })
                #expect(layout.cursorRow < layout.rows.count && layout.cursorColumn < max(columns, 2))
            }
            if buffer.characters.count > 200 { buffer = LineBuffer(history: ["x"]) }
        }
    }
}
