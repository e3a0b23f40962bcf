// SPDX-License-Identifier: Apache-2.0
// The texts that an expert and its target both read: rows are identified by their text, and their order does not depend
// on the model (formats/activations.md §3).

import Evaluation
import Formats
import Tiller

/// Contrastive pairs and unlabelled texts, truncated to the part that is read.
package struct Corpus: Sendable {
    package let pairs: [ContrastivePair]
    package let texts: [String]
    /// Each pair's positive and negative side, then the texts.
    package let rows: [ActivationRow]

    /// Unicode scalars of a side or a text to read: a concept shows early, and both models read the same part.
    package static let scalarLimit = 2048

    /// Makes the list; pairs with equal sides have no contrast and are left out.
    ///
    /// - Throws: `TillerError.invalidOption` where nothing is left to read.
    package init(pairs: [ContrastivePair], texts: [String] = []) throws(TillerError) {
        let cut = pairs.map { pair in
            ContrastivePair(
                prompt: pair.prompt, positive: Self.cut(pair.positive), negative: Self.cut(pair.negative))
        }
        let kept = cut.filter { !$0.positive.utf8.elementsEqual($0.negative.utf8) }
        guard pairs.isEmpty || !kept.isEmpty else {
            throw .invalidOption(
                "positive and negative sides are identical in every pair; there is nothing to learn")
        }
        self.init(cutPairs: kept, cutTexts: texts.map(Self.cut))
        guard !rows.isEmpty else { throw .invalidOption("there is neither a pair nor a text to read") }
        guard rows.count <= ActivationHeader.maximumRowCount else {
            throw .invalidOption(
                "there are \(rows.count) rows to read, expected at most \(ActivationHeader.maximumRowCount)")
        }
    }

    private init(cutPairs: [ContrastivePair], cutTexts: [String]) {
        pairs = cutPairs
        texts = cutTexts
        var rows: [ActivationRow] = []
        for (number, pair) in cutPairs.enumerated() {
            for (label, side) in [(1, pair.positive), (-1, pair.negative)] {
                let hash = ActivationRow.textHash(prompt: pair.prompt, text: side)
                rows.append(ActivationRow(textHash: hash, label: label, number: number))
            }
        }
        for (number, text) in cutTexts.enumerated() {
            let hash = ActivationRow.textHash(prompt: nil, text: text)
            rows.append(ActivationRow(textHash: hash, label: 0, number: number))
        }
        self.rows = rows
    }

    /// SHA-256 over the text hashes of all rows.
    package var dataHash: SHA256.Digest { ActivationRow.dataHash(of: rows.map(\.textHash)) }

    /// The prompt and the text of a row.
    package func text(ofRow index: Int) -> (prompt: String?, text: String) {
        let row = rows[index]
        switch row.label {
        case 1: return (pairs[row.number].prompt, pairs[row.number].positive)
        case -1: return (pairs[row.number].prompt, pairs[row.number].negative)
        default: return (nil, texts[row.number])
        }
    }

    /// A list of some pairs, by number, and at most `textCount` texts, evenly spaced; with the indices of its rows in this list.
    package func selecting(pairs numbers: [Int], textCount: Int) -> (list: Corpus, rows: [Int]) {
        let textNumbers = Array(texts.indices).spread(textCount)
        let list = Corpus(
            cutPairs: numbers.map { pairs[$0] }, cutTexts: textNumbers.map { texts[$0] })
        let rows = numbers.flatMap { [2 * $0, 2 * $0 + 1] } + textNumbers.map { 2 * pairs.count + $0 }
        return (list, rows)
    }

    private static func cut(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(scalarLimit)))
    }
}
