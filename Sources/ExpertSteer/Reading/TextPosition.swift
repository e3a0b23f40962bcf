// SPDX-License-Identifier: Apache-2.0
// A row's tokens, and the positions that its state is taken from.

import Evaluation
import Formats
import Tiller
import Tokenization

/// A row as one model reads it.
struct ReadRow {
    let tokens: [Int32]
    /// The first of the row's own tokens: after the prompt, or after position 0.
    let start: Int
    /// The positions whose mean is the state; empty where the row cannot be read.
    let positions: Range<Int>
}

extension Engine {
    /// Encodes a row and applies the rule.
    ///
    /// With a prompt the text is the assistant's answer in the model's chat format; alone it is plain text.
    /// - Parameter limit: maximum number of tokens; a longer row is truncated.
    func read(
        prompt: String?, text: String, rule: PositionRule, limit: Int
    ) throws(TillerError) -> ReadRow {
        var (tokens, textStart, start): ([Int32], Int, Int)
        if let prompt {
            let question = try encode(conversation: [Message(role: "user", content: prompt)])
            tokens = question + encode(text, addingSpecial: false)
            (textStart, start) = (question.count, max(question.count, 1))
        } else {
            tokens = encode(text)
            textStart = tokens.first.map(tokenizer.isSpecial) == true ? 1 : 0
            // Nothing predicts the first token, and its state is the attention sink.
            start = 1
        }
        while let last = tokens.last, tokens.count > start, tokenizer.isSpecial(last) { tokens.removeLast() }
        tokens = Array(tokens.prefix(limit))
        let end = tokens.count
        guard start < end else { return ReadRow(tokens: tokens, start: start, positions: 0..<0) }
        switch rule {
        case .mean: return ReadRow(tokens: tokens, start: start, positions: start..<end)
        case .last: return ReadRow(tokens: tokens, start: start, positions: end - 1..<end)
        case .after(let marker):
            let position = self.position(after: marker, in: tokens[textStart...]) ?? 0
            guard position >= start else { return ReadRow(tokens: tokens, start: start, positions: 0..<0) }
            return ReadRow(tokens: tokens, start: start, positions: position..<position + 1)
        }
    }

    /// The first token that extends past the first occurrence of a marker; nil where the marker is absent.
    private func position(after marker: String, in tokens: ArraySlice<Int32>) -> Int? {
        var bytes: [UInt8] = []
        let ends = tokens.map { token in
            if !tokenizer.isSpecial(token) { bytes += tokenizer.bytes(of: token) }
            return bytes.count
        }
        let needle = Array(marker.utf8)
        guard needle.count <= bytes.count,
            let first = (0...bytes.count - needle.count).first(where: { bytes[$0...].starts(with: needle) })
        else { return nil }
        let index = ends.firstIndex { $0 > first + needle.count }
        return index.map { tokens.startIndex + $0 }
    }
}
