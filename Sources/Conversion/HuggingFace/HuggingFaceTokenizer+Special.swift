// SPDX-License-Identifier: Apache-2.0
// Which tokens of a model folder begin, end and pad a text, and which of them surround every text.

import JSON
import Models
import Tokenization

/// Sets the special tokens, the end-of-generation tokens, and the tokens added around text.
func setSpecialTokens(of vocabulary: inout Vocabulary, _ folder: HuggingFaceModel) throws {
    func token(_ name: String) throws -> Int32? {
        for settings in [folder.tokenizerConfig, folder.specialTokens] {
            guard let settings, let text = try settings.tokenText("\(name)_token") else { continue }
            guard let id = vocabulary.id(of: text) else {
                throw settings.refusal("\(name)_token", "'\(text)'", expected: "a token of tokenizer.json")
            }
            return id
        }
        for settings in [folder.generation, folder.text, folder.config] {
            guard let id = try settings?.integers("\(name)_token_id").first else { continue }
            if vocabulary.texts.indices.contains(id) { return Int32(id) }
        }
        return nil
    }
    vocabulary.beginOfSequence = try token("bos")
    vocabulary.endOfSequence = try token("eos")
    vocabulary.padding = try token("pad")
    if vocabulary.unknown == nil { vocabulary.unknown = try token("unk") }

    let around = try AddedAround(folder.tokenizer)
    vocabulary.addsBeginOfSequence =
        around.before.map { vocabulary.id(of: $0) == vocabulary.beginOfSequence } ?? false
    vocabulary.addsEndOfSequence =
        around.after.map { vocabulary.id(of: $0) == vocabulary.endOfSequence } ?? false
    if let text = around.before, !vocabulary.addsBeginOfSequence {
        throw ConversionError(
            "tokenizer.json: post_processor puts '\(text)' before text, expected the bos_token")
    }
    if let text = around.after, !vocabulary.addsEndOfSequence {
        throw ConversionError(
            "tokenizer.json: post_processor puts '\(text)' after text, expected the eos_token")
    }
    if let adds = try folder.tokenizerConfig?.optionalBool("add_bos_token") {
        vocabulary.addsBeginOfSequence = adds
    }
    if let adds = try folder.tokenizerConfig?.optionalBool("add_eos_token") {
        vocabulary.addsEndOfSequence = adds
    }
    for (adds, id, name) in [
        (vocabulary.addsBeginOfSequence, vocabulary.beginOfSequence, "bos_token"),
        (vocabulary.addsEndOfSequence, vocabulary.endOfSequence, "eos_token"),
    ] where adds && id == nil {
        throw ConversionError(
            "tokenizer_config.json: \(name) is missing, expected a token, because it is to be added")
    }
    var stated = try [folder.generation, folder.text, folder.config].flatMap {
        try $0?.integers("eos_token_id") ?? []
    }
    if let id = vocabulary.endOfSequence { stated.append(Int(id)) }
    let known = Set(stated.filter(vocabulary.texts.indices.contains)).map { Int32($0) }
    markEndOfGeneration(in: &vocabulary, stated: known)
}

/// Tokens that `post_processor` adds around a single text.
private struct AddedAround {
    var before: String?
    var after: String?

    init(_ file: JSONSection) throws {
        guard let processor = try file.optionalObject("post_processor") else { return }
        let parts =
            try processor.string("type") == "Sequence" ? try processor.objects("processors") : [processor]
        for part in parts {
            // ByteLevel changes offsets only, not the tokens.
            let type = try part.string("type")
            if type == "ByteLevel" { continue }
            guard type == "TemplateProcessing" else {
                throw part.refusal("type", "'\(type)'", expected: "TemplateProcessing or ByteLevel")
            }
            var isBehind = false
            for piece in try part.objects("single") {
                if piece["Sequence"] != nil {
                    isBehind = true
                } else if let token = try piece.optionalObject("SpecialToken") {
                    let text = try token.string("id")
                    guard (isBehind ? after : before) == nil else {
                        throw piece.refusal("SpecialToken", "'\(text)'", expected: "one token on each side")
                    }
                    if isBehind { after = text } else { before = text }
                }
            }
        }
    }
}
