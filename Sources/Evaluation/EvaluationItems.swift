// SPDX-License-Identifier: Apache-2.0
// Items of an evaluation: contrastive pairs, and their groups.

import JSON
import Tiller

/// A pair and its group; pairs of one group (a domain, a template, a source text) are not independent evidence.
package struct EvaluationItem: Sendable, Equatable {
    package let pair: ContrastivePair
    package let group: String

    package init(pair: ContrastivePair, group: String) {
        self.pair = pair
        self.group = group
    }
}

extension EvaluationItem {
    /// Reads JSON lines `{prompt?, positive, negative, group?}`; a row without a group forms its own.
    ///
    /// - Throws: `TillerError.invalidOption` that names the row and its defect.
    package static func read(_ bytes: [UInt8], fileName: String) throws(TillerError) -> [EvaluationItem] {
        var items: [EvaluationItem] = []
        for row in try ContrastivePair.rows(bytes, fileName: fileName) {
            let group: String
            switch row.value["group"] ?? .null {
            case .null: group = "line \(row.line)"
            case .string(let text): group = text
            case .integer(let number): group = "\(number)"
            case let other:
                throw .invalidOption(
                    "\(fileName), line \(row.line): 'group' is \(other.kindName), expected a text or a number"
                )
            }
            items.append(EvaluationItem(pair: row.pair, group: group))
        }
        return items
    }

    package var json: JSON {
        var object: JSON.Object = ["positive": .string(pair.positive), "negative": .string(pair.negative)]
        if let prompt = pair.prompt { object["prompt"] = .string(prompt) }
        object["group"] = .string(group)
        return .object(object)
    }
}
