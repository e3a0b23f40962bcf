// SPDX-License-Identifier: Apache-2.0
// llama.cpp's own tokenizer tests: vocabularies with texts (.inp) and ids (.out), where the shared data folder is.

import Conversion
import Formats
import Glibc
import TestSupport
import Testing
import Tokenization

/// Vocabularies of the data folder; a name says what a model is refused for that is of no family read.
private let vocabularies: [(name: String, refusal: String?)] = [
    ("llama-spm", nil), ("gpt-2", nil), ("mpt", nil), ("deepseek-coder", nil), ("phi-3", nil),
    ("llama-bpe", nil), ("qwen2", nil), ("command-r", nil), ("gemma-4", nil),
    ("bert-bge", "GGUF metadata 'tokenizer.ggml.model' is 'bert', expected 'gpt2' or 'llama'"),
]

@Test(arguments: vocabularies)
private func idsAreThoseOfTheVocabularyTests(name: String, refusal: String?) throws {
    let base = SharedData.root + "/tokenizer/ggml-vocab-\(name).gguf"
    guard let input = SharedData.contents(of: base + ".inp"),
        let output = SharedData.contents(of: base + ".out"),
        SharedData.contents(of: base) != nil
    else {
        print("skipped: no vocabulary at \(base)")
        return
    }
    if let refusal {
        let error = #expect(throws: TokenizerImportError.self) {
            try importTokenizer(from: GGUFFile(path: base))
        }
        #expect(error?.description == refusal)
        return
    }
    let tokenizer = try TestTokenizers.open(importTokenizer(from: GGUFFile(path: base)))
    let texts = split(String(decoding: input, as: UTF8.self), "\n__ggml_vocab_test__\n")
    let lines = split(String(decoding: output, as: UTF8.self), "\n")
    #expect(texts.count == lines.count)
    for (text, line) in zip(texts, lines) {
        let expected = line.split(separator: " ").compactMap { Int32($0) }
        #expect(
            tokenizer.encode(text, addSpecial: false, parseSpecial: false) == expected,
            "\(text.debugDescription)")
        #expect(tokenizer.decodeText(expected, skipSpecial: false) == text)
    }
}

/// The parts of a text, each ended by a mark. Characters are not looked at, so that `\r\n` is two.
private func split(_ text: String, _ mark: String) -> [String] {
    let (bytes, mark) = (Array(text.utf8), Array(mark.utf8))
    var parts: [String] = []
    var start = 0
    var position = 0
    while position + mark.count <= bytes.count {
        if bytes[position..<position + mark.count].elementsEqual(mark) {
            parts.append(String(decoding: bytes[start..<position], as: UTF8.self))
            position += mark.count
            start = position
        } else {
            position += 1
        }
    }
    return parts
}

/// Whole texts with the vocabularies of real models: cases that `tools/golden/tokenizer.py reference` wrote.
@Test func idsAreThoseOfReferenceCases() throws {
    guard let folder = getenv("TILLER_TOKENIZER_CASES").map({ String(cString: $0) }) else {
        print("skipped: TILLER_TOKENIZER_CASES does not name a folder")
        return
    }
    for name in SharedData.fileNames(in: folder) where name.hasSuffix(".case") {
        let lines = split(
            String(decoding: SharedData.contents(of: folder + "/" + name) ?? [], as: UTF8.self), "\n")
        try #require(lines.count == 4)
        let section = ByteView(copying: try #require(try ModelSource(path: lines[0]).tokenizer))
        let tokenizer = try Tokenizer(bytes: section.bytes, owner: section.owner)
        let bytes = SharedData.contents(of: lines[1]) ?? []
        let clock = ContinuousClock()
        var ids: [Int32] = []
        let time = clock.measure {
            ids = tokenizer.encode(utf8: bytes, addSpecial: false, parseSpecial: lines[2] == "special")
        }
        let expected = lines[3].split(separator: " ").compactMap { Int32($0) }
        let first = zip(ids, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset
        #expect(ids.count == expected.count, "\(name)")
        #expect(first == nil, "\(name): the first difference")
        print("\(name): \(ids.count) ids of \(bytes.count) bytes in \(time)")
    }
}
