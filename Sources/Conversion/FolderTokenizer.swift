// SPDX-License-Identifier: Apache-2.0
// A vocabulary from `tokenizer.json` and the files beside it. Byte-level BPE is what it says; a SentencePiece
// model is there in the shape of BPE with merges, and gets its scores back from their ranks.

import JSON
import Tokenization

/// The vocabulary of a model folder.
///
/// - Parameter vocabularySize: rows of the embedding; ids behind the last token become unused ones.
/// - Throws: `ConversionError` for a tokenizer of another kind, an unknown pre-tokenizer or what makes no sense;
///   `TokenizerError` when merges do not fit the tokens.
func importTokenizer(from folder: ModelFolder, vocabularySize: Int) throws -> Vocabulary {
    let file = folder.tokenizer
    let model = try file.object("model")
    let type = try model.optionalString("type") ?? "BPE"
    guard type == "BPE" else { throw model.refusal("type", "'\(type)'", expected: "'BPE'") }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if let affix = try model.optionalString(key), !affix.isEmpty {
            throw model.refusal(key, "'\(affix)'", expected: "nothing")
        }
    }
    let split = try FolderSplit(file, model)
    let added = try AddedToken.all(in: file)
    let texts = try tokenTexts(model.object("vocab"), added, vocabularySize: vocabularySize)
    var vocabulary = Vocabulary(kind: split.kind, texts: texts.map { $0 ?? "" }, types: [])
    vocabulary.types = texts.map { $0 == nil ? .unused : .normal }
    for (id, text) in texts.enumerated() where text == nil { vocabulary.texts[id] = "[PAD\(id)]" }
    vocabulary.unknown = try model.optionalString("unk_token").flatMap { vocabulary.id(of: $0) }
    let merges = try merges(model, of: vocabulary)
    switch split.kind {
    case .byteLevelBPE:
        vocabulary.preTokenizer = split.preTokenizer
        vocabulary.ignoresMerges = try model.optionalBool("ignore_merges") ?? false
        vocabulary.merges = merges
    case .sentencePieceBPE:
        vocabulary.addsSpacePrefix = split.addsSpacePrefix
        for (id, text) in vocabulary.texts.enumerated() where isByteToken(text) {
            vocabulary.types[id] = .byte
        }
        if let id = vocabulary.unknown { vocabulary.types[Int(id)] = .unknown }
        vocabulary.scores = try scores(of: vocabulary, merges, added: added)
    }
    for token in added where token.id < vocabularySize {
        let isUnknown = split.kind == .sentencePieceBPE && Int32(token.id) == vocabulary.unknown
        if !isUnknown { vocabulary.types[token.id] = token.isControl ? .control : .userDefined }
        // User-defined tokens are searched for in text, whose spaces are spaces.
        if !isUnknown, !token.isControl, split.kind == .sentencePieceBPE {
            vocabulary.texts[token.id] = token.text.split(
                separator: "\u{2581}", omittingEmptySubsequences: false
            )
            .joined(separator: " ")
        }
    }
    try setSpecialTokens(of: &vocabulary, folder)
    return vocabulary
}

/// A token that is found in the text before anything else.
struct AddedToken {
    let id: Int
    let text: String
    /// Whether text cannot contain it.
    let isControl: Bool

    static func all(in file: Settings) throws -> [AddedToken] {
        try file.objects("added_tokens").map { token in
            let text = try token.string("content")
            let isSpecial = try token.optionalBool("special") ?? false
            return AddedToken(
                id: try token.integer("id"), text: text, isControl: isSpecial || looksSpecial(text))
        }
    }

    /// llama.cpp's rule (`does_token_look_special`): some files do not mark tokens that are not text.
    private static func looksSpecial(_ text: String) -> Bool {
        ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(text)
            || (text.hasPrefix("<|") && text.hasSuffix("|>"))
            || (text.hasPrefix("<｜") && text.hasSuffix("｜>"))
            || (text.hasPrefix("<unused") && text.hasSuffix(">"))
    }
}

/// Texts by id; nil where no token has the id.
private func tokenTexts(_ vocab: Settings, _ added: [AddedToken], vocabularySize: Int) throws -> [String?] {
    var texts = [String?](repeating: nil, count: vocabularySize)
    for member in vocab.object {
        guard let id = member.value.intValue else {
            throw vocab.refusal("'\(member.key)'", member.value.kindName, expected: "an integer")
        }
        guard texts.indices.contains(id) else {
            // Tokens for images come behind the rows of a model that sees none.
            if added.contains(where: { $0.id == id }) { continue }
            throw vocab.refusal(
                "'\(member.key)'", "\(id)", expected: "0 to \(vocabularySize - 1), as vocab_size says")
        }
        guard texts[id] == nil else {
            throw vocab.refusal("'\(member.key)'", "\(id)", expected: "an id that no other token has")
        }
        texts[id] = member.key
    }
    for token in added where token.id >= 0 && token.id < vocabularySize { texts[token.id] = token.text }
    if let token = added.first(where: { $0.id < 0 }) {
        throw ConversionError("tokenizer.json: the id of '\(token.text)' is \(token.id), expected at least 0")
    }
    return texts
}

/// Merges by rank: lines with a space between two texts, or, since transformers 4.45, pairs of texts.
private func merges(_ model: Settings, of vocabulary: Vocabulary) throws -> [Merge] {
    let elements = try model.array("merges")
    if elements.first?.stringValue != nil {
        return try vocabulary.resolveMerges(
            elements.enumerated().map { rank, merge in
                guard let line = merge.stringValue else {
                    throw model.refusal("merges[\(rank)]", merge.kindName, expected: "a string")
                }
                return line
            })
    }
    return try vocabulary.resolveMerges(
        elements.enumerated().map { rank, merge in
            guard let pair = merge.arrayValue, pair.count == 2, let left = pair[0].stringValue,
                let right = pair[1].stringValue
            else { throw model.refusal("merges[\(rank)]", merge.kindName, expected: "two texts") }
            return (Array(left.utf8)[...], Array(right.utf8)[...])
        })
}

/// Whether a text is `<0xHH>`.
private func isByteToken(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return bytes.count == 6 && text.hasPrefix("<0x") && bytes[5] == UInt8(ascii: ">")
        && UInt8(String(decoding: bytes[3..<5], as: UTF8.self), radix: 16) != nil
}

/// SentencePiece's scores in the order of the merges: what is merged first scores highest.
///
/// - Throws: `ConversionError` where the merges are not those of a SentencePiece model, in which any two tokens
///   merge whose texts together are a token.
private func scores(of vocabulary: Vocabulary, _ merges: [Merge], added: [AddedToken]) throws -> [Float] {
    let places = vocabulary.textIndex
    let isAdded = Set(added.compactMap { Int32(exactly: $0.id) })
    var scores = [Float](repeating: -Float(merges.count), count: vocabulary.texts.count)
    var ways = [Int](repeating: 0, count: scores.count)
    for (rank, merge) in merges.enumerated() {
        let text = vocabulary.texts[Int(merge.left)] + vocabulary.texts[Int(merge.right)]
        guard let id = places[text.utf8] else {
            throw ConversionError("tokenizer.json: model.merges[\(rank)] makes '\(text)', which is no token")
        }
        ways[Int(id)] += 1
        scores[Int(id)] = max(scores[Int(id)], -Float(rank))
    }
    for (id, text) in vocabulary.texts.enumerated() where vocabulary.types[id] == .normal {
        guard !isAdded.contains(Int32(id)) else { continue }
        let scalars = text.unicodeScalars
        var count = 0
        for cut in scalars.indices.dropFirst() {
            guard let left = places[text[..<cut].utf8], let right = places[text[cut...].utf8] else {
                continue
            }
            if !isAdded.contains(left), !isAdded.contains(right) { count += 1 }
        }
        guard ways[id] >= count else {
            throw ConversionError(
                "tokenizer.json: \(ways[id]) of the \(count) ways to put '\(text)' together are among model.merges, "
                    + "expected all, as in a SentencePiece model")
        }
    }
    return scores
}

/// Names of special tokens, ends of generation, and what is put around text.
private func setSpecialTokens(of vocabulary: inout Vocabulary, _ folder: ModelFolder) throws {
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
    if let id = try token("unk") { vocabulary.unknown = id }

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
            "tokenizer.json: post_processor puts '\(text)' behind text, expected the eos_token")
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

/// Tokens that `post_processor` puts around a single text.
private struct AddedAround {
    var before: String?
    var after: String?

    init(_ file: Settings) throws {
        guard let processor = try file.optionalObject("post_processor") else { return }
        let parts =
            try processor.string("type") == "Sequence" ? try processor.objects("processors") : [processor]
        for part in parts where try part.string("type") == "TemplateProcessing" {
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
