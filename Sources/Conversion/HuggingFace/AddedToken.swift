// SPDX-License-Identifier: Apache-2.0
// `added_tokens` of a tokenizer.json: texts that are matched as tokens before any other step.

import JSON
import Models
import Tokenization

/// A token that is matched in the text before any other step.
struct AddedToken {
    let id: Int
    let text: String
    /// Whether text cannot contain it.
    let isControl: Bool
    let flags: AddedTokenRule.Flags
    /// Whether its normalized text is matched in normalized text.
    let isNormalized: Bool

    static func all(in file: JSONSection) throws -> [AddedToken] {
        try file.objects("added_tokens").map { token in
            let text = try token.string("content")
            let isSpecial = try token.optionalBool("special") ?? false
            var flags: AddedTokenRule.Flags = []
            if try token.optionalBool("lstrip") ?? false { flags.insert(.stripsLeft) }
            if try token.optionalBool("rstrip") ?? false { flags.insert(.stripsRight) }
            if try token.optionalBool("single_word") ?? false { flags.insert(.isWord) }
            return AddedToken(
                id: try token.integer("id"), text: text, isControl: isSpecial || looksSpecial(text),
                flags: flags, isNormalized: try token.optionalBool("normalized") ?? false)
        }
    }

    /// llama.cpp's rule (`does_token_look_special`): some files do not mark special tokens.
    private static func looksSpecial(_ text: String) -> Bool {
        ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(text)
            || (text.hasPrefix("<|") && text.hasSuffix("|>"))
            || (text.hasPrefix("<｜") && text.hasSuffix("｜>"))
            || (text.hasPrefix("<unused") && text.hasSuffix(">"))
    }

    /// The tokens that need special rules.
    ///
    /// Without normalizers, a token that cannot overlap another is always found in the original text.
    static func rules(_ tokens: [AddedToken], _ rules: TokenizerRules) throws -> [AddedTokenRule] {
        let texts = tokens.map(\.text)
        let areApart = rules.normalizers.isEmpty && !mayOverlap(texts) && !hasPrefixes(texts)
        return try tokens.filter { !$0.text.isEmpty }.compactMap { token in
            let id = Int32(token.id)
            if !token.isNormalized || (areApart && token.flags.isEmpty) {
                return token.flags.isEmpty ? nil : AddedTokenRule(token: id, flags: token.flags)
            }
            let normalized = rules.normalized(token.text)
            guard !normalized.isEmpty else {
                throw ConversionError(
                    "tokenizer.json: the added token '\(token.text)' is empty after normalization, "
                        + "expected a text")
            }
            return AddedTokenRule(token: id, flags: token.flags, normalizedText: normalized)
        }
    }

    /// Whether one text may start within another: impossible if no byte inside a text starts one.
    static func mayOverlap(_ texts: [String]) -> Bool {
        let first = Set(texts.compactMap(\.utf8.first))
        return texts.contains { $0.utf8.dropFirst().contains(where: first.contains) }
    }

    private static func hasPrefixes(_ texts: [String]) -> Bool {
        let sorted = texts.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
        return zip(sorted, sorted.dropFirst()).contains { $1.starts(with: $0) }
    }
}
