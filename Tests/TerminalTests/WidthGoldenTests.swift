// SPDX-License-Identifier: Apache-2.0
// Cells, rows and cursor of lines in every script, as wcwidth has them (Tests/Fixtures/widths).

import Glibc
import JSON
import Platform
import Terminal
import TestSupport
import Testing

/// A line of the fixture.
struct GoldenLine: CustomTestStringConvertible {
    let script: String
    let text: String
    /// The cells of the first 1, 2, 3 … scalars.
    let cells: [Int]
    /// The screen of 20 columns after the whole line.
    let rows: [String]
    /// Row and column of the cursor after each scalar.
    let cursors: [[Int]]

    var testDescription: String { script }

    static let all: [GoldenLine] = (golden["lines"]?.arrayValue ?? []).map { line in
        GoldenLine(
            script: line["script"]?.stringValue ?? "", text: line["text"]?.stringValue ?? "",
            cells: line["cells"]?.arrayValue?.compactMap(\.intValue) ?? [],
            rows: line["rows"]?.arrayValue?.compactMap(\.stringValue) ?? [],
            cursors: line["cursors"]?.arrayValue?.map { $0.arrayValue?.compactMap(\.intValue) ?? [] } ?? [])
    }

    static let sequences = (golden["sequences"]?.arrayValue ?? []).map {
        (text: $0["text"]?.stringValue ?? "", cells: $0["cells"]?.intValue ?? -1)
    }

    private static let golden: JSON = {
        let path = packageRoot + "/Tests/Fixtures/widths/lines.json"
        return (try? JSON.parse(readFile(path: path, limit: 1 << 24))) ?? .null
    }()
}

@Suite struct WidthGoldenTests {
    @Test func theFixtureIsWhole() {
        #expect(GoldenLine.all.count > 250 && GoldenLine.sequences.count == 600)
        #expect(GoldenLine.all.allSatisfy { $0.cells.count == $0.text.unicodeScalars.count })
    }

    @Test(arguments: GoldenLine.all)
    func everyBeginningHasItsCells(line: GoldenLine) {
        let scalars = line.text.unicodeScalars
        let found = (1...scalars.count).map {
            displayWidth(of: String(String.UnicodeScalarView(scalars.prefix($0))))
        }
        #expect(found == line.cells)
    }

    @Test func whatChangesTheWidthOfItsNeighboursIsCountedWithThem() {
        for (text, cells) in GoldenLine.sequences {
            #expect(
                displayWidth(of: text) == cells,
                "\(text.unicodeScalars.map { String($0.value, radix: 16) })")
        }
    }

    @Test(arguments: GoldenLine.all)
    func aLineTypedLetterByLetterIsDrawnRight(line: GoldenLine) throws {
        var terminal = SmallTerminal(columns: 20)
        let pipe = try Pipe()
        var buffer = LineBuffer()
        var screen = LineScreen(prompt: "> ", output: pipe.input, size: { (20, 24) })
        var typed = "> "
        for (scalar, cursor) in zip(line.text.unicodeScalars, line.cursors) {
            _ = buffer.apply(.text(scalar))
            screen.needsDrawing = true
            screen.draw(buffer)
            terminal.write(pipe.read())
            typed.unicodeScalars.append(scalar)
            #expect(terminal.visibleRows.joined().unicodeScalars.elementsEqual(typed.unicodeScalars))
            #expect([terminal.cursorRow, terminal.cursorColumn] == cursor)
        }
        #expect(terminal.visibleRows == line.rows)
        #expect(terminal.faults == [])
        screen.finish(buffer)
        terminal.write(pipe.read())
        #expect(terminal.visibleRows == line.rows && terminal.cursorColumn == 0)
        #expect(terminal.cursorRow >= line.rows.count)
    }

    @Test(arguments: GoldenLine.all.prefix(40))
    func deletingALineLeavesThePrompt(line: GoldenLine) throws {
        var terminal = SmallTerminal(columns: 20)
        let pipe = try Pipe()
        var buffer = LineBuffer()
        var screen = LineScreen(prompt: "> ", output: pipe.input, size: { (20, 24) })
        for key in line.text.unicodeScalars.map(Key.text) + Array(repeating: .left, count: 3) {
            _ = buffer.apply(key)
        }
        for _ in line.text.unicodeScalars {
            screen.needsDrawing = true
            screen.draw(buffer)
            terminal.write(pipe.read())
            #expect(terminal.visibleRows.joined() == "> " + buffer.text)
            _ = buffer.apply(buffer.cursor > 0 ? .backspace : .deleteForward)
        }
        screen.needsDrawing = true
        screen.draw(buffer)
        terminal.write(pipe.read())
        #expect(terminal.visibleRows == ["> "] && terminal.faults == [])
    }

    @Test func aCharacterThatNoRowCanHoldIsBroken() {
        let syllable = Character(String(repeating: "\u{1100}", count: 15))
        let layout = LineLayout(prompt: "> ", text: [syllable, "x"], cursor: 2, columns: 20, maximumRows: 9)
        #expect(layout.rows.map { displayWidth(of: $0) } == [20, 13])
        #expect([layout.cursorRow, layout.cursorColumn] == [1, 13])
        #expect(wrapped(String(syllable), width: 8).map { displayWidth(of: $0) } == [8, 8, 8, 6])
    }
}

/// A pipe whose content is read as soon as it is written.
private final class Pipe {
    let input: Int32
    private let output: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        let result = pipe(&ends)
        try #require(result == 0)
        (output, input) = (ends[0], ends[1])
        _ = fcntl(output, F_SETFL, O_NONBLOCK)
    }

    deinit {
        close(input)
        close(output)
    }

    func read() -> String {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = Glibc.read(output, &bytes, bytes.count)
        return String(decoding: bytes[..<max(count, 0)], as: UTF8.self)
    }
}
