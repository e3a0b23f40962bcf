// SPDX-License-Identifier: Apache-2.0
// Pairs behind words: what saying it does, to hold steering against.

import Evaluation
import Tiller

extension ContrastivePair {
    /// The pair's tokens behind a system message.
    package func tokenized(engine: Engine, behind system: String) throws(TillerError) -> TokenizedPair? {
        let question: [Int32]
        if let prompt {
            question = try engine.encode(conversation: [
                Message(role: "system", content: system), Message(role: "user", content: prompt),
            ])
        } else {
            question = engine.encode(system + "\n\n")
        }
        let sides = [positive, negative].map { question + engine.encode($0, addingSpecial: false) }
        // As without the message: nothing predicts the first token of a text alone.
        let start = question.count + (prompt == nil ? 1 : 0)
        guard sides.allSatisfy({ $0.count > start }), !question.isEmpty else { return nil }
        return TokenizedPair(positive: sides[0], negative: sides[1], start: start)
    }
}
