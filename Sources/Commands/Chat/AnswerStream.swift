// SPDX-License-Identifier: Apache-2.0
// A model's text on its way to standard output, piece by piece.

import Glibc

/// Shows generated text as it comes.
package struct AnswerStream {
    /// Whether white space around the whole text is left out, as for models that continue a plain dialogue.
    let trims: Bool
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private var hasBegun = false
    /// White space that is only shown when something follows it.
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

    /// What a model says must not steer the terminal; a pipe gets it as it is.
    private func write(_ text: String) { writeOutput(isTerminal ? text.printable : text) }
}
