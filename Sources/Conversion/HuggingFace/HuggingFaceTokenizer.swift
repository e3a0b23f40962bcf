// SPDX-License-Identifier: Apache-2.0
// Imports a vocabulary from `tokenizer.json` and its companion files: BPE of bytes or of characters, by the rank of merges.

import JSON
import Models
import Tokenization

/// Imports the vocabulary of a model folder.
///
/// - Parameter vocabularySize: rows of the embedding; ids after the last token become unused tokens.
/// - Throws: `ConversionError` for a tokenizer of another kind, an unknown step or inconsistent content; `TokenizerError` if
///   merges do not match the tokens, or a token is longer than the format allows.
func importTokenizer(from folder: HuggingFaceModel, vocabularySize: Int) throws -> Vocabulary {
    let file = folder.tokenizer
    let model = try file.object("model")
    try refuseOtherModels(model)
    let rules = try HuggingFaceRules(file)
    let added = try AddedToken.all(in: file)
    let vocab = try model.object("vocab")
    let texts = try tokenTexts(vocab, added, vocabularySize: vocabularySize)
    var vocabulary = Vocabulary(kind: rules.kind, texts: texts.map { $0 ?? "" }, types: [])
    vocabulary.types = texts.map { $0 == nil ? .unused : .normal }
    for (id, text) in texts.enumerated() where text == nil { vocabulary.texts[id] = "[PAD\(id)]" }
    for token in added where token.id < vocabularySize && vocab.object[token.text]?.intValue != token.id {
        vocabulary.addedOnly.insert(Int32(token.id))
    }
    if let text = try model.optionalString("unk_token") {
        vocabulary.unknown = vocabulary.id(of: text)
        vocabulary.usesUnknown = true
        guard vocabulary.unknown != nil else {
            throw model.refusal("unk_token", "'\(text)'", expected: "a token of model.vocab")
        }
    }
    vocabulary.fusesUnknown = try vocabulary.usesUnknown && model.optionalBool("fuse_unk") ?? false
    vocabulary.ignoresMerges = try model.optionalBool("ignore_merges") ?? false
    vocabulary.merges = lastOfEach(try merges(model, of: vocabulary))
    try setTypes(of: &vocabulary, model, added)
    vocabulary.rules = rules.rules
    vocabulary.rules?.added = try AddedToken.rules(added.filter { $0.id < vocabularySize }, rules.rules)
    try setSpecialTokens(of: &vocabulary, folder)
    simplify(&vocabulary)
    return vocabulary
}

private func refuseOtherModels(_ model: JSONSection) throws {
    let type = try model.optionalString("type") ?? "BPE"
    guard type == "BPE" else { throw model.refusal("type", "'\(type)'", expected: "'BPE'") }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if let affix = try model.optionalString(key), !affix.isEmpty {
            throw model.refusal(key, "'\(affix)'", expected: "nothing")
        }
    }
    if let dropout = try model.optionalFloat("dropout"), dropout != 0 {
        throw model.refusal("dropout", "\(dropout)", expected: "0: the same text gives the same tokens")
    }
}

private func setTypes(of vocabulary: inout Vocabulary, _ model: JSONSection, _ added: [AddedToken]) throws {
    let fallsBack = try model.optionalBool("byte_fallback") ?? false
    if vocabulary.kind == .characterBPE {
        vocabulary.fallsBackToBytes = fallsBack
        for (id, text) in vocabulary.texts.enumerated() where isByteToken(text) {
            vocabulary.types[id] = .byte
        }
    }
    for token in added where token.id < vocabulary.texts.count {
        let isUnknown = vocabulary.kind == .characterBPE && Int32(token.id) == vocabulary.unknown
        vocabulary.types[token.id] = isUnknown ? .unknown : token.isControl ? .control : .userDefined
    }
    guard vocabulary.kind == .byteLevelBPE else { return }
    for token in added where vocabulary.isByte(token.text) && !vocabulary.addedOnly.contains(Int32(token.id))
    {
        throw ConversionError(
            "tokenizer.json: the added token '\(token.text)' stands for a byte in model.vocab, expected another text"
        )
    }
    if vocabulary.hasAllBytes {
        vocabulary.usesUnknown = false
        vocabulary.fusesUnknown = false
    } else if fallsBack {
        throw model.refusal(
            "byte_fallback", "true", expected: "false, where bytes are missing in model.vocab")
    }
}

/// Omits the rules if a version 1 section is equivalent, that is, yields the same tokens for every text.
private func simplify(_ vocabulary: inout Vocabulary) {
    guard let rules = vocabulary.rules, vocabulary.kind == .byteLevelBPE, rules.normalizers.isEmpty,
        rules.added.isEmpty, !vocabulary.usesUnknown
    else { return }
    let special = vocabulary.types.indices.filter { [.control, .userDefined].contains(vocabulary.types[$0]) }
    guard !AddedToken.mayOverlap(special.map { vocabulary.texts[$0] }) else { return }
    for id in special where vocabulary.types[id] == .userDefined && !vocabulary.addedOnly.contains(Int32(id))
    {
        guard !vocabulary.ignoresMerges, vocabulary.texts[id].unicodeScalars.count > 1 else { return }
    }
    for preTokenizer in PreTokenizer.allCases where preTokenizer != .none {
        if rules.preTokenizers == preTokenizer.rules.map({ .split($0, .isolated) }) {
            vocabulary.preTokenizer = preTokenizer
            vocabulary.rules = nil
            return
        }
    }
}

/// Texts by id; nil for ids without a token.
private func tokenTexts(_ vocab: JSONSection, _ added: [AddedToken], vocabularySize: Int) throws -> [String?]
{
    var texts = [String?](repeating: nil, count: vocabularySize)
    let addedIds = Set(added.map(\.id))
    for member in vocab.object {
        guard let id = member.value.intValue else {
            throw vocab.refusal("'\(member.key)'", member.value.kindName, expected: "an integer")
        }
        guard texts.indices.contains(id) else {
            // Image tokens come after the rows of a text-only model.
            if addedIds.contains(id) { continue }
            throw vocab.refusal(
                "'\(member.key)'", "\(id)", expected: "0 to \(vocabularySize - 1), as vocab_size says")
        }
        guard texts[id] == nil else {
            throw vocab.refusal("'\(member.key)'", "\(id)", expected: "an id that no other token has")
        }
        try TokenizerBuilder.checkLength(of: member.key, id)
        texts[id] = member.key
    }
    for token in added where token.id >= 0 && token.id < vocabularySize { texts[token.id] = token.text }
    if let token = added.first(where: { $0.id < 0 }) {
        throw ConversionError("tokenizer.json: the id of '\(token.text)' is \(token.id), expected at least 0")
    }
    return texts
}

/// Of several merges of the same two tokens the last one counts.
private func lastOfEach(_ merges: [Merge]) -> [Merge] {
    var seen: Set<Merge> = []
    let kept = merges.reversed().filter { seen.insert($0).inserted }
    return kept.reversed()
}

/// Merges by rank: lines with a space between two texts, or, since transformers 4.45, pairs of texts.
private func merges(_ model: JSONSection, of vocabulary: Vocabulary) throws -> [Merge] {
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

/// Whether a text is `<0xHH>` in the library's notation.
private func isByteToken(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 6, text.hasPrefix("<0x"), bytes[5] == UInt8(ascii: ">") else { return false }
    return bytes[3..<5].allSatisfy { (0x30...0x39).contains($0) || (0x41...0x46).contains($0) }
}
