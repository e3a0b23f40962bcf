// SPDX-License-Identifier: Apache-2.0
// The text identifies a row of captured activations, not its tokens: models with different tokenizers read the same
// rows (formats/activations.md §3).

/// One row: its text and its label.
package struct ActivationRow: Sendable, Hashable {
    /// SHA-256 of the text, see `textHash`.
    package var textHash: SHA256.Digest
    /// 1 for the positive side of a pair, −1 for its negative one, 0 for a text without label.
    package var label: Int
    /// The number of the pair, or of the text among the unlabelled texts, from 0.
    package var number: Int

    package init(textHash: SHA256.Digest, label: Int, number: Int) {
        self.textHash = textHash
        self.label = label
        self.number = number
    }

    /// The row's position in the whole data: pairs first, each with its positive side first, then texts.
    package func place(pairCount: Int) -> Int {
        switch label {
        case 1: 2 * number
        case -1: 2 * number + 1
        default: 2 * pairCount + number
        }
    }

    /// The identity of a text: with a prompt, SHA-256 of a byte 1, the prompt, a byte 0 and the text; without a prompt, of a
    /// byte 0 and the text.
    package static func textHash(prompt: String?, text: String) -> SHA256.Digest {
        var bytes: [UInt8] = []
        if let prompt { bytes += [1] + Array(prompt.utf8) }
        bytes.append(0)
        bytes += Array(text.utf8)
        return SHA256.digest(of: bytes)
    }

    /// SHA-256 over the text hashes of all rows in their order.
    package static func dataHash(of textHashes: some Sequence<SHA256.Digest>) -> SHA256.Digest {
        var hash = SHA256()
        for digest in textHashes { hash.update(digest.bytes.span.bytes) }
        return hash.finalize()
    }
}

/// The names of the tensors in a file.
enum ActivationTensor {
    static let text = "row.text"
    static let label = "row.label"
    static let number = "row.number"
    static let tokens = "row.tokens"

    static func layer(_ index: Int) -> String { "layer.\(index)" }

    /// The layer in a name; nil for other names, such as "layer.01".
    static func layer(of name: String) -> Int? {
        guard name.utf8.starts(with: "layer.".utf8), let index = Int(name.dropFirst(6)),
            name.utf8.elementsEqual(layer(index).utf8)
        else { return nil }
        return index
    }
}
