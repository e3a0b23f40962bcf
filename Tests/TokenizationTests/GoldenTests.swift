// SPDX-License-Identifier: Apache-2.0
// Ids of small vocabularies as the libraries `tokenizers` and `sentencepiece` make them (see the fixtures' README).

import JSON
import Testing
import Tokenization

/// The names that the golden file uses.
private let preTokenizers: [(name: String, preTokenizer: PreTokenizer)] = [
    ("gpt-2", .gpt2), ("llama-bpe", .llama3), ("qwen2", .qwen2), ("smollm", .smollm), ("tekken", .tekken),
    ("deepseek-coder", .deepseekCoder), ("default", .fallback),
]

@Test(arguments: preTokenizers)
func byteLevelIdsAreThoseOfTokenizers(name: String, preTokenizer: PreTokenizer) throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.byteLevel(preTokenizer))
    let cases = try GoldenFile("byte-level.json").cases.filter { $0["pre"]?.stringValue == name }
    #expect(cases.count > 60)
    for row in cases {
        let ids = tokenizer.encode(
            utf8: row.input, addSpecial: false, parseSpecial: row["parse"]?.boolValue == true)
        #expect(ids == row.ids, "\(name): \(String(decoding: row.input, as: UTF8.self).debugDescription)")
    }
}

@Test(arguments: [false, true])
func sentencePieceIdsAreThoseOfSentencePiece(spacePrefix: Bool) throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.sentencePiece(spacePrefix: spacePrefix))
    let cases = try GoldenFile("sentencepiece.json").cases.filter { $0["prefix"]?.boolValue == spacePrefix }
    #expect(cases.count > 40)
    for row in cases {
        let ids = tokenizer.encode(utf8: row.input, addSpecial: false, parseSpecial: false)
        #expect(ids == row.ids, "\(String(decoding: row.input, as: UTF8.self).debugDescription)")
    }
}
