// SPDX-License-Identifier: Apache-2.0
// Streams a model's text to standard output, piece by piece.

import Glibc

/// Shows generated text as it arrives.
package struct AnswerStream {
    /// Whether to trim the whole text, as for models that continue a plain dialogue.
    let trims: Bool
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private var hasBegun = false
    /// White space to show only if text follows it.
    private var held = ""

    init(trims: Bool) { self.trims = trims }

    mutating func show(_ piece: String) {
        guard trims else { return write(piece) }
        var text = held + piece
        if !hasBegun { text = String(text.drop(while: \.isWhitespace)) }
        let end = text.lastIndex { !$0.isWhitespace }.map { text.index(after: $0) } ?? text.startIndex
        held = hasBegun || end > text.startIndex ? String(text[end...]) : ""
        hasBegun = hasBegun || end > text.startIndex
        write(String(text[..<end]))
    }

    /// A model's text must not control the terminal; a pipe gets it unchanged.
    private func write(_ text: String) { writeOutput(isTerminal ? text.printable : text) }
}
