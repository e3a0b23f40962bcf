// SPDX-License-Identifier: Apache-2.0
// Two models can be compared position by position only if an id means the same to both.

import Tiller
import Tokenization

extension Engine {
    /// Checks that another model has this model's vocabulary.
    ///
    /// The sections may differ: a GGUF and a model folder can give the same vocabulary.
    /// - Throws: `TillerError.invalidOption` with the first difference.
    package func requireSameVocabulary(as reference: Engine) throws(TillerError) {
        guard vocabularySize == reference.vocabularySize else {
            throw .invalidOption(
                "the model and its reference have different vocabularies, of \(vocabularySize) and "
                    + "\(reference.vocabularySize) tokens")
        }
        let (own, other) = (tokenizer, reference.tokenizer)
        for id in 0..<Int32(max(own.vocabularySize, other.vocabularySize))
        where own.bytes(of: id) != other.bytes(of: id) {
            throw .invalidOption(
                "the model and its reference have different vocabularies: token \(id) is '\(own.text(of: id))' and "
                    + "'\(other.text(of: id))'")
        }
    }

    /// Checks that another model tokenizes a text as this one does.
    ///
    /// - Throws: `TillerError.invalidOption` where the ids differ.
    package func requireSameTokens(as reference: Engine, of text: String) throws(TillerError) {
        let (own, other) = (encode(text), reference.encode(text))
        guard own != other else { return }
        let place = zip(own, other).prefix { $0 == $1 }.count
        throw .invalidOption(
            "the model and its reference tokenize the text differently from token \(place) on; "
                + "are they conversions of one model?")
    }
}
