// SPDX-License-Identifier: Apache-2.0
// The rules of a section in the form that encoding uses.

struct EncodingRules: Sendable {
    /// The rules as the section states them.
    let stated: TokenizerRules
    let normalizers: [NormalizerStep]
    let preTokenizers: [PreTokenizerStep]
    let decoder: DecoderRules
    /// Flags of added tokens with special rules.
    let flags: [Int32: AddedTokenRule.Flags]
    /// Texts to find in normalized text.
    let normalizedPatterns: ListedPatterns
    /// Tokens of those patterns.
    let normalizedTokens: [Int32]
    /// Whether one of them is a control token.
    let hasNormalizedControl: Bool
    /// The pre-tokenizers, if all of them are plain splits; pieces are then found one at a time.
    let expressions: [SplitRule]?

    /// Reads the rules of a section.
    ///
    /// - Throws: `.rules`.
    init(_ tables: TokenizerTables) throws(TokenizerError) {
        let rules = try TokenizerRules(tables.ruleBytes, tokenCount: tables.layout.tokenCount)
        stated = rules
        normalizers = rules.normalizers
        preTokenizers = rules.preTokenizers
        decoder = rules.decoder
        flags = Dictionary(rules.added.map { ($0.token, $0.flags) }) { _, last in last }
        let normalized = rules.added.compactMap { rule in rule.normalizedText.map { ($0, rule.token) } }
        normalizedPatterns = ListedPatterns(normalized.map { (text: $0.0, token: $0.1) })
        normalizedTokens = normalized.map(\.1)
        hasNormalizedControl = normalizedTokens.contains { tables.type(of: $0) != .userDefined }
        var expressions: [SplitRule]? = []
        for step in rules.preTokenizers {
            if case .split(let rule, .isolated) = step {
                expressions?.append(rule)
            } else {
                expressions = nil
            }
        }
        self.expressions = expressions
    }
}
