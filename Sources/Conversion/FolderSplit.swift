// SPDX-License-Identifier: Apache-2.0
// What `normalizer` and `pre_tokenizer` of a tokenizer.json say: the kind of tokenizer, and the cuts by their
// regular expressions, each of which is known or refused.

import JSON
import Tokenization

/// How a tokenizer.json prepares text.
struct FolderSplit {
    let kind: TokenizerKind
    var preTokenizer = PreTokenizer.none
    var addsSpacePrefix = false

    /// - Throws: `ConversionError` that names what is not known: a wrong guess would quietly degrade the model.
    init(_ file: Settings, _ model: Settings) throws {
        let normalizers = try Self.steps(file, "normalizer", list: "normalizers")
        let splitters = try Self.steps(file, "pre_tokenizer", list: "pretokenizers")
        let kinds = try splitters.map { try $0.string("type") }
        if kinds.contains("ByteLevel") {
            kind = .byteLevelBPE
            for step in normalizers {
                // Composed characters are what people type; text is taken as it is, as llama.cpp does.
                guard try step.string("type") == "NFC" else {
                    throw step.refusal(
                        "type", "'\(try step.string("type"))'", expected: "NFC, or no normalizer")
                }
            }
            preTokenizer = try Self.preTokenizer(splitters)
        } else {
            kind = .sentencePieceBPE
            guard try model.optionalBool("byte_fallback") == true else {
                let found = kinds.isEmpty ? "missing" : kinds.map { "'\($0)'" }.joined(separator: ", ")
                throw file.refusal(
                    "pre_tokenizer", found,
                    expected: "ByteLevel, or a model of SentencePiece with byte_fallback")
            }
            let prefix = try Self.normalizerPrefix(normalizers)
            let isSplitterPrefixing = try Self.splitterPrefix(splitters)
            guard prefix != nil || isSplitterPrefixing != nil else {
                throw file.refusal(
                    "normalizer", "without a step that replaces spaces", expected: "' ' to '▁'")
            }
            addsSpacePrefix = prefix == true || isSplitterPrefixing == true
        }
    }

    /// A step by itself, or those of a sequence.
    private static func steps(_ file: Settings, _ key: String, list: String) throws -> [Settings] {
        guard let step = try file.optionalObject(key) else { return [] }
        return try step.string("type") == "Sequence" ? try step.objects(list) : [step]
    }

    // MARK: - Byte-level BPE

    private static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    private static let contractions = [
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
    ]
    private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// The expressions of formats/tokenizer.md §6.1 as tokenizer.json writes them, outermost first.
    private static let known: [(rules: [String], preTokenizer: PreTokenizer)] =
        [
            ([gpt2], .gpt2), ([#"\p{N}"#, gpt2], .smollm),
            (
                [
                    #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"#
                        + #"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
                        + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces
                ], .tekken
            ),
            (
                [
                    #"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, "[一-龥ࠀ-一가-\u{D7FF}]+", #"\p{N}"#,
                ], .deepseekCoder
            ),
        ]
        + contractions.flatMap { start -> [(rules: [String], preTokenizer: PreTokenizer)] in
            [(#"\p{N}{1,3}"#, PreTokenizer.llama3), (#"\p{N}"#, .qwen2)].map { digits, preTokenizer in
                (
                    [
                        start + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
                            + spaces
                    ], preTokenizer
                )
            }
        }

    /// Some files write line breaks into their expressions themselves, others as `\r` and `\n`.
    private static func escaped(_ rule: String) -> String {
        var result = ""
        for scalar in rule.unicodeScalars {
            switch scalar {
            case "\r": result += #"\r"#
            case "\n": result += #"\n"#
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func preTokenizer(_ steps: [Settings]) throws -> PreTokenizer {
        var rules: [String] = []
        for step in steps {
            switch try step.string("type") {
            case "ByteLevel":
                if try step.optionalBool("add_prefix_space") == true {
                    throw step.refusal("add_prefix_space", "true", expected: "false")
                }
                if try step.optionalBool("use_regex") ?? true { rules.append(gpt2) }
            case "Digits":
                let isIndividual = try step.optionalBool("individual_digits") ?? false
                rules.append(isIndividual ? #"\p{N}"# : #"\p{N}+"#)
            case "Split":
                let behavior = try step.string("behavior")
                let isInverted = try step.optionalBool("invert") ?? false
                // Removing what lies between the matches of an expression that matches everything changes nothing.
                guard behavior == "Isolated" && !isInverted || behavior == "Removed" && isInverted else {
                    throw step.refusal("behavior", "'\(behavior)'", expected: "'Isolated'")
                }
                rules.append(Self.escaped(try step.object("pattern").string("Regex")))
            case let other:
                throw step.refusal("type", "'\(other)'", expected: "Split, Digits or ByteLevel")
            }
        }
        guard let match = known.first(where: { $0.rules == rules }) else {
            throw ConversionError(
                "tokenizer.json: pre_tokenizer cuts text by \(rules.map { "'\($0)'" }.joined(separator: ", then ")), "
                    + "expected the expressions of the Llama, SmolLM, Mistral, Qwen, DeepSeek-Coder or GPT-2 families"
            )
        }
        return match.preTokenizer
    }

    // MARK: - SentencePiece

    /// Whether a space is put in front; nil when no step replaces spaces.
    private static func normalizerPrefix(_ steps: [Settings]) throws -> Bool? {
        var prefixes = false
        var replaces = false
        for step in steps {
            switch try step.string("type") {
            case "Prepend" where try step.string("prepend") == "\u{2581}": prefixes = true
            case "Replace"
            where try step.object("pattern").optionalString("String") == " "
                && step.string("content") == "\u{2581}":
                replaces = true
            case let other:
                throw step.refusal("type", "'\(other)'", expected: "Prepend of '▁', or Replace of ' ' by '▁'")
            }
        }
        return replaces ? prefixes : nil
    }

    /// The same of a pre-tokenizer.
    private static func splitterPrefix(_ steps: [Settings]) throws -> Bool? {
        var result: Bool?
        for step in steps {
            switch try step.string("type") {
            case "Metaspace":
                let scheme = try step.optionalString("prepend_scheme")
                result = try scheme.map { $0 != "never" } ?? step.optionalBool("add_prefix_space") ?? true
                // Cutting at spaces is what the merges do anyway, unless a token has one inside.
                if let mark = try step.optionalString("replacement"), mark != "\u{2581}" {
                    throw step.refusal("replacement", "'\(mark)'", expected: "'▁'")
                }
            case "Split" where try step.object("pattern").optionalString("String") == " ":
                // Gemma's: spaces are replaced before, so there is nothing to cut.
                continue
            case let other:
                throw step.refusal("type", "'\(other)'", expected: "Metaspace, or none")
            }
        }
        return result
    }
}
