// SPDX-License-Identifier: Apache-2.0
// The regular expressions of published pre-tokenizers (formats/tokenizer.md §6.1), as written in tokenizer.json.

import Tokenization

enum HuggingFaceExpressions {
    private static let contractions = [
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
    ]
    private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#

    private static let known: [(expression: String, rule: SplitRule)] =
        [
            (#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, .gpt2),
            (
                #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"#
                    + #"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
                    + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces, .casedWords
            ),
            (#"\p{N}"#, .eachNumber), (#"\p{N}+"#, .numberRuns), (#"\p{N}{1,3}"#, .numberGroups),
            ("[0-9][0-9][0-9]", .threeDigits), (#"[\p{P}\$\+<=>\^~\|]+"#, .punctuationAndSymbolRuns),
            (#"[\r\n]"#, .eachLineBreak), (#"\s?\p{L}+"#, .spacedLetters),
            (#"\s?\p{P}+"#, .spacedPunctuation),
            ("[一-龥ࠀ-一가-\u{D7FF}]+", .eastAsianRuns), (#"\s"#, .eachWhitespace), (#"\s+"#, .whitespaceRuns),
            (#"\w+|[^\w\s]+"#, .wordsAndOthers),
        ]
        + contractions.flatMap { start -> [(expression: String, rule: SplitRule)] in
            [(#"\p{N}{1,3}"#, SplitRule.llama3), (#"\p{N}"#, .qwen2)].map { digits, rule in
                (
                    start + #"|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
                        + spaces,
                    rule
                )
            }
        }

    /// The rule of an expression; nil if it is unknown.
    static func rule(for expression: String) -> SplitRule? {
        let written = Array(escaped(expression).utf8)
        return known.first { $0.expression.utf8.elementsEqual(written) }?.rule
    }

    /// Some files contain literal line breaks in their expressions, others `\r` and `\n`.
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
}
