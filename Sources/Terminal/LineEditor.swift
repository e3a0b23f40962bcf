// SPDX-License-Identifier: Apache-2.0
// Reads a line: from a person, with the editing of a shell prompt, or from a pipe, unchanged.

import Glibc

/// Reads lines from standard input.
///
/// One thread uses it. The terminal is in raw mode only while `readLine` waits.
package final class LineEditor {
    package enum Result: Equatable, Sendable {
        /// A line without its end; a pasted text may hold line breaks.
        case line(String)
        /// Ctrl-C on an empty line.
        case interrupted
        /// Ctrl-D on an empty line, or the end of the input.
        case endOfInput
        /// A line of more than 64 MiB.
        case tooLong
    }

    private var history: History
    private let completions: (String) -> [String]
    private var parser = KeyParser()
    private var input = InputBytes()

    /// - Parameters:
    ///   - historyPath: a file that keeps the lines between runs; nil keeps them in memory only.
    ///   - completions: possible completions of the text before the cursor, for Tab.
    package init(historyPath: String? = nil, completions: @escaping (String) -> [String] = { _ in [] }) {
        // Input from a pipe needs no history.
        history = History(path: isatty(STDIN_FILENO) == 1 ? historyPath : nil)
        self.completions = completions
    }

    /// Waits for a line. Only a terminal shows the prompt.
    package func readLine(prompt: String) -> Result {
        fflush(nil)
        guard isatty(STDIN_FILENO) == 1 else { return input.readPlainLine() }
        let output = isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDERR_FILENO
        let isCapable = isatty(output) == 1 && getenv("TERM").map { strcmp($0, "dumb") != 0 } ?? false
        guard isCapable, RawMode.enter(output: output) else {
            writeAll(prompt, to: output)
            return input.readPlainLine()
        }
        defer { RawMode.leave() }
        let result = edit(prompt: prompt, output: output)
        if case .line(let line) = result { history.add(line) }
        return result
    }

    private func edit(prompt: String, output: Int32) -> Result {
        var buffer = LineBuffer(history: history.entries)
        var screen = LineScreen(prompt: prompt, output: output)
        screen.draw(buffer)
        while true {
            // Apply all available input before drawing the line again.
            guard let key = nextKey(beforeWaiting: { screen.draw(buffer) }) else {
                screen.finish(buffer)
                return .endOfInput
            }
            switch buffer.apply(key) {
            case .redraw: screen.needsDrawing = true
            case .clearScreen: screen.clear()
            case .complete: complete(&buffer, on: &screen)
            case .suspend:
                screen.finish(buffer)
                RawMode.leave()
                raise(SIGTSTP)
                guard RawMode.enter(output: output) else { return .endOfInput }
                screen.needsDrawing = true
            case .accept:
                screen.finish(buffer)
                return .line(buffer.text)
            case .interrupt:
                screen.finish(buffer)
                return .interrupted
            case .endOfInput:
                screen.finish(buffer)
                return .endOfInput
            }
        }
    }

    /// The next key; nil at the end of the input.
    private func nextKey(beforeWaiting: () -> Void) -> Key? {
        while true {
            if input.isEmpty {
                beforeWaiting()
                // An ESC with nothing after it was the Escape key.
                if parser.isAfterEscape, !input.wait(milliseconds: 50) { parser.cancel() }
            }
            guard let byte = input.next() else { return nil }
            if let key = parser.feed(byte) { return key }
        }
    }

    private func complete(_ buffer: inout LineBuffer, on screen: inout LineScreen) {
        let text = buffer.textBeforeCursor
        let candidates = completions(text)
        guard let first = candidates.first else { return }
        let common = candidates.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
        if candidates.count == 1 || (common.count > text.count && common.hasPrefix(text)) {
            buffer.replaceBeforeCursor(with: common)
        } else {
            // The line already contains the common prefix of all completions.
            let start = text.lastIndex(of: " ").map { text.distance(from: text.startIndex, to: $0) + 1 } ?? 0
            screen.show(candidates.map { String($0.dropFirst(start)) }, below: buffer)
        }
        screen.needsDrawing = true
    }
}

extension String {
    fileprivate func commonPrefix(with other: String) -> String {
        String(zip(self, other).prefix { $0 == $1 }.map(\.0))
    }
}
