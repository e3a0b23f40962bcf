// SPDX-License-Identifier: Apache-2.0
// The steps of `normalizer` and `pre_tokenizer` in a tokenizer.json, as the library `tokenizers` executes them. An unknown step
// is refused by name: a wrong guess would silently degrade the model.

import JSON
import Models
import Tokenization

/// How a tokenizer.json prepares text for tokenization, and how it turns tokens into text.
struct HuggingFaceRules {
    let kind: TokenizerKind
    var rules = TokenizerRules()

    /// - Throws: `ConversionError` that names the unsupported step.
    init(_ file: JSONSection) throws {
        rules.normalizers = try Self.steps(file, "normalizer", list: "normalizers").map(
            Self.normalizer)
        let splitters = try Self.steps(file, "pre_tokenizer", list: "pretokenizers")
        let kinds = try splitters.map { try $0.string("type") }
        kind = kinds.contains("ByteLevel") ? .byteLevelBPE : .characterBPE
        if let index = kinds.firstIndex(of: "ByteLevel"), index + 1 < kinds.count {
            throw splitters[index + 1].refusal(
                "type", "'\(kinds[index + 1])' after ByteLevel", expected: "ByteLevel as the last step")
        }
        rules.preTokenizers = try splitters.flatMap(Self.preTokenizers)
        try refuseFirstAfterCuts(splitters)
        rules.decoder = try HuggingFaceDecoder(file, kind).rules
    }

    /// If normalizers may expand the first character and a step splits the result, the library treats each piece as the start of
    /// the text, contrary to its documentation. Refuses that case.
    private func refuseFirstAfterCuts(_ splitters: [JSONSection]) throws {
        let isHarmless = rules.normalizers.allSatisfy { step in
            if case .strip = step { return true }
            return step == .stripAccents
        }
        guard !isHarmless else { return }
        for step in splitters.dropFirst() where try step.string("type") == "Metaspace" {
            guard try Self.scheme(step) != .first else {
                throw step.refusal(
                    "prepend_scheme", "'first' after another step and a normalizer",
                    expected: "always or never")
            }
        }
    }

    /// A single step, or the steps of a sequence.
    static func steps(_ file: JSONSection, _ key: String, list: String) throws -> [JSONSection] {
        guard let step = try file.optionalObject(key) else { return [] }
        return try flattened(step, list: list)
    }

    private static func flattened(_ step: JSONSection, list: String) throws -> [JSONSection] {
        guard try step.string("type") == "Sequence" else { return [step] }
        return try step.objects(list).flatMap { try flattened($0, list: list) }
    }

    // MARK: - Normalizers

    private static func normalizer(_ step: JSONSection) throws -> NormalizerStep {
        switch try step.string("type") {
        case "NFC": return .nfc
        case "NFD": return .nfd
        case "NFKC": return .nfkc
        case "NFKD": return .nfkd
        case "Lowercase": return .lowercase
        case "StripAccents": return .stripAccents
        case "Strip":
            return .strip(
                left: try step.optionalBool("strip_left") ?? true,
                right: try step.optionalBool("strip_right") ?? true)
        case "Prepend":
            let text = try step.string("prepend")
            // The library would duplicate the first character.
            guard !text.isEmpty else { throw step.refusal("prepend", "''", expected: "a text") }
            return .prepend(text)
        case "Replace":
            let pattern = try step.object("pattern")
            guard let text = try pattern.optionalString("String") else {
                throw pattern.refusal(
                    "Regex", "'\(try pattern.string("Regex"))'", expected: "a String to replace")
            }
            guard !text.isEmpty else { throw pattern.refusal("String", "''", expected: "a text to replace") }
            return .replace(text, by: try step.string("content"))
        case let other:
            throw step.refusal(
                "type", "'\(other)'",
                expected:
                    "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace, Prepend or a Sequence of them"
            )
        }
    }

    // MARK: - Pre-tokenizers

    private static func preTokenizers(_ step: JSONSection) throws -> [PreTokenizerStep] {
        switch try step.string("type") {
        case "ByteLevel":
            let prefix: [PreTokenizerStep] =
                try step.optionalBool("add_prefix_space") == true ? [.prefixSpace] : []
            return prefix + (try step.optionalBool("use_regex") ?? true ? [.split(.gpt2, .isolated)] : [])
        case "Digits":
            let isIndividual = try step.optionalBool("individual_digits") ?? false
            return [.split(isIndividual ? .eachNumber : .numberRuns, .isolated)]
        case "Punctuation": return [.split(.eachPunctuation, try behavior(step, usual: "Isolated"))]
        case "Whitespace": return [.split(.wordsAndOthers, SplitBehavior(.removed, isInverted: true))]
        case "WhitespaceSplit": return [.split(.eachWhitespace, SplitBehavior(.removed))]
        case "CharDelimiterSplit": return [.splitText(try step.string("delimiter"), SplitBehavior(.removed))]
        case "Split": return try split(step)
        case "Metaspace": return [try metaspace(step)]
        case let other:
            throw step.refusal(
                "type", "'\(other)'",
                expected: "ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, "
                    + "CharDelimiterSplit or a Sequence of them")
        }
    }

    private static func split(_ step: JSONSection) throws -> [PreTokenizerStep] {
        let pattern = try step.object("pattern")
        var behavior = try behavior(step, usual: nil)
        behavior.isInverted = try step.optionalBool("invert") ?? false
        if let text = try pattern.optionalString("String") {
            // The reference implementation handles an empty one differently in text with letters beyond ASCII.
            guard !text.isEmpty else { throw pattern.refusal("String", "''", expected: "a text to split at") }
            return [.splitText(text, behavior)]
        }
        let expression = try pattern.string("Regex")
        guard let rule = HuggingFaceExpressions.rule(for: expression) else {
            throw pattern.refusal(
                "Regex", "'\(expression)'",
                expected:
                    "an expression of the Llama, SmolLM, Mistral, Qwen, DeepSeek-Coder or GPT-2 families")
        }
        // Removing the text between the matches of an expression that matches everything has no effect.
        let changesNothing = behavior == SplitBehavior(.removed, isInverted: true) && rule.coversAll
        return [.split(rule, changesNothing ? .isolated : behavior)]
    }

    private static func behavior(_ step: JSONSection, usual: String?) throws -> SplitBehavior {
        switch try step.optionalString("behavior") ?? usual ?? step.string("behavior") {
        case "Isolated": return .isolated
        case "Removed": return SplitBehavior(.removed)
        case "MergedWithPrevious": return SplitBehavior(.mergedWithPrevious)
        case "MergedWithNext": return SplitBehavior(.mergedWithNext)
        case "Contiguous": return SplitBehavior(.contiguous)
        case let other:
            throw step.refusal(
                "behavior", "'\(other)'",
                expected: "Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous")
        }
    }

    private static func metaspace(_ step: JSONSection) throws -> PreTokenizerStep {
        .metaspace(
            mark: try mark(step, "replacement"), scheme: try scheme(step),
            splits: try step.optionalBool("split") ?? true)
    }

    /// Where a Metaspace step, splitting or decoding, prepends its mark.
    static func scheme(_ step: JSONSection) throws -> PrependScheme {
        switch try step.optionalString("prepend_scheme") {
        case "first": return .first
        case "always": return .always
        case "never": return .never
        case nil: return try step.optionalBool("add_prefix_space") ?? true ? .always : .never
        case let other?:
            throw step.refusal("prepend_scheme", "'\(other)'", expected: "first, always or never")
        }
    }

    /// The character that stands for a space.
    static func mark(_ step: JSONSection, _ key: String) throws -> Unicode.Scalar {
        let text = try step.string(key)
        guard let mark = text.unicodeScalars.first, text.unicodeScalars.count == 1 else {
            throw step.refusal(key, "'\(text)'", expected: "one character")
        }
        return mark
    }
}
