// SPDX-License-Identifier: Apache-2.0
// Contrastive text: two continuations that differ in one concept, on a common prompt or alone.

import JSON
import Tiller

/// One row `{prompt?, positive, negative}`.
package struct ContrastivePair: Sendable, Equatable {
    package let prompt: String?
    package let positive, negative: String
}

extension ContrastivePair {
    /// Reads JSON lines; other fields are ignored.
    ///
    /// - Throws: `TillerError.invalidOption` that names the row and what it lacks.
    package static func read(_ bytes: [UInt8], fileName: String) throws(TillerError) -> [ContrastivePair] {
        var pairs: [ContrastivePair] = []
        var rows = JSONLines(bytes)
        while let row = try nextRow(of: &rows, fileName) {
            guard let positive = row.value["positive"]?.stringValue,
                let negative = row.value["negative"]?.stringValue
            else {
                throw .invalidOption(
                    "\(fileName), line \(row.line): expected an object with the texts 'positive' and 'negative'"
                )
            }
            pairs.append(
                ContrastivePair(
                    prompt: row.value["prompt"]?.stringValue, positive: positive, negative: negative))
        }
        guard !pairs.isEmpty else { throw .invalidOption("\(fileName) holds no pairs") }
        return pairs
    }

    private static func nextRow(of rows: inout JSONLines, _ fileName: String) throws(TillerError) -> JSONLines
        .Row?
    {
        do { return try rows.next() } catch { throw .invalidOption("\(fileName): \(error)") }
    }

    /// Tokens of one side, and where the side's own text begins.
    ///
    /// With a prompt, the side is the assistant's answer in the model's chat format; alone it is plain text.
    package func tokens(of side: String, engine: Engine) throws(TillerError) -> (tokens: [Int32], start: Int)
    {
        guard let prompt else {
            let tokens = engine.encode(side)
            // Nothing predicts the first token, and its state is the attention's sink.
            return (tokens, 1)
        }
        let question = try engine.encode(conversation: [Message(role: "user", content: prompt)])
        return (question + engine.encode(side, addingSpecial: false), question.count)
    }
}
