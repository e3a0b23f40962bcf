// SPDX-License-Identifier: Apache-2.0
// Contrastive pairs: two continuations that differ in one concept, with a common prompt or without one.

import JSON
import Tiller

/// A contrastive pair: one row `{prompt?, positive, negative}`.
package struct ContrastivePair: Sendable, Equatable {
    package let prompt: String?
    package let positive, negative: String

    package init(prompt: String? = nil, positive: String, negative: String) {
        self.prompt = prompt
        self.positive = positive
        self.negative = negative
    }
}

extension ContrastivePair {
    /// Reads JSON lines. Other fields are ignored; rows with a null side have no contrast and are left out.
    ///
    /// - Throws: `TillerError.invalidOption` that names the row and what it lacks.
    package static func read(_ bytes: [UInt8], fileName: String) throws(TillerError) -> [ContrastivePair] {
        try rows(bytes, fileName: fileName).map(\.pair)
    }

    /// The same with the complete rows, whose other fields callers may use.
    static func rows(
        _ bytes: [UInt8], fileName: String
    ) throws(TillerError) -> [(pair: ContrastivePair, line: Int, value: JSON)] {
        var pairs: [(pair: ContrastivePair, line: Int, value: JSON)] = []
        var rows = JSONLines(bytes)
        while let row = try rows.next(of: fileName) {
            if row.value["positive"] == .null || row.value["negative"] == .null { continue }
            guard let positive = row.value["positive"]?.stringValue,
                let negative = row.value["negative"]?.stringValue
            else {
                throw .invalidOption(
                    "\(fileName), line \(row.line): expected an object with the texts 'positive' and 'negative'"
                )
            }
            let prompt = row.value["prompt"] ?? .null
            guard prompt == .null || prompt.stringValue != nil else {
                throw .invalidOption(
                    "\(fileName), line \(row.line): 'prompt' is \(prompt.kindName), expected a text or none"
                )
            }
            let pair = ContrastivePair(prompt: prompt.stringValue, positive: positive, negative: negative)
            pairs.append((pair, row.line, row.value))
        }
        guard !pairs.isEmpty else { throw .invalidOption("\(fileName) holds no pairs") }
        return pairs
    }

    /// Tokenizes both sides.
    ///
    /// With a prompt, a side is the assistant's answer in the model's chat format; alone it is plain text.
    /// - Parameter limit: maximum tokens per side; a longer side is truncated.
    /// - Returns: nil where a side has no token of its own within the limit.
    package func tokenized(engine: Engine, limit: Int) throws(TillerError) -> TokenizedPair? {
        var (positive, negative, start): ([Int32], [Int32], Int)
        if let prompt {
            let question = try engine.encode(conversation: [Message(role: "user", content: prompt)])
            positive = question + engine.encode(self.positive, addingSpecial: false)
            negative = question + engine.encode(self.negative, addingSpecial: false)
            start = question.count
        } else {
            (positive, negative) = (engine.encode(self.positive), engine.encode(self.negative))
            // Nothing predicts the first token, and its state is the attention sink.
            start = 1
        }
        positive = Array(positive.prefix(limit))
        negative = Array(negative.prefix(limit))
        guard start > 0, start < min(positive.count, negative.count) else { return nil }
        return TokenizedPair(positive: positive, negative: negative, start: start)
    }
}

/// Both sides of a pair as the model reads them.
package struct TokenizedPair: Sendable {
    /// Prompt and side.
    package let positive, negative: [Int32]
    /// The first token of the side's own text. With a prompt, the tokens before it are the same in both sides.
    package let start: Int

    package init(positive: [Int32], negative: [Int32], start: Int) {
        self.positive = positive
        self.negative = negative
        self.start = start
    }

    /// The tokens before both sides.
    package var prompt: ArraySlice<Int32> { positive[..<start] }

    /// Both sides, truncated to their first own tokens.
    package func prefix(_ count: Int) -> TokenizedPair {
        TokenizedPair(
            positive: Array(positive.prefix(start + count)), negative: Array(negative.prefix(start + count)),
            start: start)
    }
}

extension Array {
    /// `count` evenly spaced elements in their order; all if there are no more.
    package func spread(_ count: Int) -> [Element] {
        guard count < self.count else { return self }
        return (0..<Swift.max(count, 0)).map { self[$0 * self.count / count] }
    }
}
