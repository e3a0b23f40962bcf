// SPDX-License-Identifier: Apache-2.0
// Multiple-choice questions, as in HellaSwag and ARC.

import JSON
import Tiller

/// One row `{question, choices, answer}`.
package struct ChoiceItem: Sendable, Equatable {
    package let question: String
    package let choices: [String]
    /// Index of the right choice.
    package let answer: Int

    package init(question: String, choices: [String], answer: Int) {
        self.question = question
        self.choices = choices
        self.answer = answer
    }
}

extension ChoiceItem {
    /// Reads JSON lines; other fields are ignored.
    ///
    /// - Throws: `TillerError.invalidOption` that names the row and its defect.
    package static func read(_ bytes: [UInt8], fileName: String) throws(TillerError) -> [ChoiceItem] {
        var items: [ChoiceItem] = []
        var rows = JSONLines(bytes)
        while let row = try rows.next(of: fileName) {
            let place = "\(fileName), line \(row.line)"
            guard let question = row.value["question"]?.stringValue,
                let choices = row.value["choices"]?.arrayValue,
                let answer = row.value["answer"]
            else {
                throw .invalidOption(
                    "\(place): expected an object with the text 'question', the list 'choices' and the index 'answer'"
                )
            }
            let texts = choices.compactMap(\.stringValue)
            guard texts.count == choices.count, texts.count >= 2, !texts.contains(where: \.isBlank),
                !question.isBlank
            else {
                throw .invalidOption(
                    "\(place): expected a question and at least two choices, all of them texts that are not empty"
                )
            }
            guard let index = answer.intValue, texts.indices.contains(index) else {
                throw .invalidOption(
                    "\(place): 'answer' is \(answer.serialized()), expected an index in 0...\(texts.count - 1)"
                )
            }
            items.append(ChoiceItem(question: question, choices: texts, answer: index))
        }
        guard !items.isEmpty else { throw .invalidOption("\(fileName) holds no items") }
        return items
    }

    /// The question without trailing white space, and each choice with the white space between the two.
    ///
    /// That is a space if neither has white space of its own. It belongs to the choice's tokens, since in most
    /// vocabularies words begin with a space.
    package var parts: (question: String, choices: [String]) {
        let stem = String(question.reversed().drop(while: \.isWhitespace).reversed())
        let end = String(question.dropFirst(stem.count))
        return (
            stem,
            choices.map { choice in
                let isJoined = !end.isEmpty || choice.first?.isWhitespace == true
                return end + (isJoined ? "" : " ") + choice
            }
        )
    }
}

extension JSONLines {
    /// The next row of a file.
    ///
    /// - Throws: `TillerError.invalidOption` with the file's name where a row is not JSON.
    package mutating func next(of fileName: String) throws(TillerError) -> Row? {
        do { return try next() } catch { throw .invalidOption("\(fileName): \(error)") }
    }
}

extension String {
    fileprivate var isBlank: Bool { allSatisfy(\.isWhitespace) }
}
