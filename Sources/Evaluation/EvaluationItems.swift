// SPDX-License-Identifier: Apache-2.0
// Items of an evaluation: contrastive pairs, and which of them belong together.

import JSON
import Tiller

/// A pair and its group; pairs of one group (a domain, a template, a source text) are no independent evidence.
package struct EvaluationItem: Sendable, Equatable {
    package let pair: ContrastivePair
    package let group: String

    package init(pair: ContrastivePair, group: String) {
        self.pair = pair
        self.group = group
    }
}

extension EvaluationItem {
    /// Reads JSON lines `{prompt?, positive, negative, group?}`; a row without a group is one of its own.
    ///
    /// - Throws: `TillerError.invalidOption` that names the row and what is wrong with it.
    package static func read(_ bytes: [UInt8], fileName: String) throws(TillerError) -> [EvaluationItem] {
        let pairs = try ContrastivePair.read(bytes, fileName: fileName)
        var groups: [String] = []
        var rows = JSONLines(bytes)
        while let row = try rows.next(of: fileName) {
            if row.value["positive"] == .null || row.value["negative"] == .null { continue }
            switch row.value["group"] ?? .null {
            case .null: groups.append("line \(row.line)")
            case .string(let text): groups.append(text)
            case .integer(let number): groups.append("\(number)")
            case let other:
                throw .invalidOption(
                    "\(fileName), line \(row.line): 'group' is \(other.kindName), expected a text or a number"
                )
            }
        }
        return zip(pairs, groups).map { EvaluationItem(pair: $0, group: $1) }
    }

    package var json: JSON {
        var object: JSON.Object = ["positive": .string(pair.positive), "negative": .string(pair.negative)]
        if let prompt = pair.prompt { object["prompt"] = .string(prompt) }
        object["group"] = .string(group)
        return .object(object)
    }
}
