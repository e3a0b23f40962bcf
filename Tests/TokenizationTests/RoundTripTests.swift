// SPDX-License-Identifier: Apache-2.0
// What goes in comes out: whole texts, streams of tokens, special tokens in and out of sight.

import Testing
import TestSupport
import Tokenization

/// Random text from many scripts, with runs, marks and characters that nobody assigned.
private func randomText(_ generator: inout SeededGenerator) -> String {
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0..<60, using: &generator) {
        let ranges: [ClosedRange<UInt32>] = [
            0x20...0x7E, 0x00...0x7F, 0xA0...0x24F, 0x300...0x36F, 0x370...0x5FF, 0x900...0xDFF,
            0x2000...0x206F,
            0x3000...0x30FF, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0xE000...0xFFFF, 0x1F300...0x1FAFF,
            0x0...0x10FFFF,
        ]
        let value = UInt32.random(
            in: ranges[Int.random(in: 0..<ranges.count, using: &generator)], using: &generator)
        guard let scalar = Unicode.Scalar(value), value != 0x2581 else { continue }
        for _ in 0..<(Int.random(in: 0..<8, using: &generator) == 0 ? 50 : 1) { text.append(scalar) }
    }
    return String(text)
}

@Test(arguments: PreTokenizer.allCases.filter { $0 != .none })
func byteLevelDecodingUndoesEncoding(preTokenizer: PreTokenizer) throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.byteLevel(preTokenizer))
    var generator = SeededGenerator(seed: UInt64(preTokenizer.rawValue))
    for _ in 0..<400 {
        let text = randomText(&generator)
        let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
        #expect(tokenizer.decode(ids, skipSpecial: true) == Array(text.utf8), "\(text.debugDescription)")
    }
}

@Test(arguments: [false, true])
func sentencePieceDecodingUndoesEncoding(spacePrefix: Bool) throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.sentencePiece(spacePrefix: spacePrefix))
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<400 {
        // After a user-defined token comes another prefix, which decoding cannot know.
        let text = spacePrefix ? randomText(&generator).filter { $0 != "\n" } : randomText(&generator)
        let ids = tokenizer.encode(text, addSpecial: true, parseSpecial: false)
        #expect(tokenizer.decode(ids, skipSpecial: true) == Array(text.utf8), "\(text.debugDescription)")
    }
}

@Test(arguments: [TokenizerKind.byteLevelBPE, .sentencePieceBPE])
func aStreamOfTokensGivesTheSameText(kind: TokenizerKind) throws {
    let tokenizer = try TestTokenizers.open(
        kind == .byteLevelBPE
            ? TestTokenizers.byteLevel(.gpt2) : TestTokenizers.sentencePiece(spacePrefix: true))
    var generator = SeededGenerator(seed: 5)
    for round in 0..<400 {
        // Random tokens are mostly broken characters; encoded text is whole ones spread over tokens.
        let ids =
            round % 2 == 0
            ? (0..<40).map { _ in Int32.random(in: -2...Int32(tokenizer.vocabularySize), using: &generator) }
            : tokenizer.encode(randomText(&generator), addSpecial: true, parseSpecial: true)
        for skipSpecial in [false, true] {
            var decoder = TokenDecoder(tokenizer, skipSpecial: skipSpecial)
            let text = ids.map { decoder.append($0) }.joined() + decoder.finish()
            #expect(Array(text.utf8) == Array(tokenizer.decodeText(ids, skipSpecial: skipSpecial).utf8))
        }
    }
}

@Test func charactersAppearWhenTheyAreComplete() throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.byteLevel(.gpt2))
    var decoder = TokenDecoder(tokenizer)
    let ids = tokenizer.encode("Ω", addSpecial: false, parseSpecial: false)
    try #require(ids.count == 2)
    #expect(decoder.append(ids[0]) == "")
    #expect(decoder.append(ids[1]) == "Ω")
    // An interrupted character is replaced as soon as the next token shows it.
    #expect(decoder.append(ids[0]) == "")
    #expect(decoder.append(tokenizer.encode("a", addSpecial: false, parseSpecial: false)[0]) == "\u{FFFD}a")
    #expect(decoder.append(ids[0]) == "")
    #expect(decoder.finish() == "\u{FFFD}")
    #expect(decoder.finish() == "")
}

@Test func controlTokensAreMadeOnlyOnRequest() throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.byteLevel(.gpt2))
    let start = try #require(tokenizer.specialToken("<|im_start|>"))
    #expect(tokenizer.specialToken("<|im_start|") == nil)
    #expect(
        tokenizer.beginOfSequence == start && tokenizer.isSpecial(start)
            && tokenizer.type(of: start) == .control)
    let text = "<|im_start|>a"
    let parsed = tokenizer.encode(text, addSpecial: false, parseSpecial: true)
    let plain = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
    #expect(parsed.count == 2 && parsed[0] == start)
    #expect(!plain.contains { tokenizer.isSpecial($0) })
    #expect(tokenizer.decodeText(parsed, skipSpecial: false) == text)
    #expect(tokenizer.decodeText(parsed, skipSpecial: true) == "a")
    #expect(tokenizer.decodeText(plain, skipSpecial: true) == text)
}

@Test func beginAndEndAreAddedAsTheModelWants() throws {
    var vocabulary = try TestTokenizers.byteLevel(.gpt2)
    vocabulary.addsEndOfSequence = true
    let (begin, end) = (try #require(vocabulary.beginOfSequence), try #require(vocabulary.endOfSequence))
    var tokenizer = try TestTokenizers.open(vocabulary)
    #expect(tokenizer.encode("", addSpecial: true, parseSpecial: false) == [end])
    vocabulary.addsBeginOfSequence = true
    tokenizer = try TestTokenizers.open(vocabulary)
    #expect(tokenizer.encode("", addSpecial: true, parseSpecial: false) == [begin, end])
    #expect(tokenizer.encode("", addSpecial: false, parseSpecial: false) == [])
    #expect(tokenizer.isEndOfGeneration(end) && !tokenizer.isEndOfGeneration(begin))
    #expect(tokenizer.endOfGeneration == [begin - 1, end])
    // Ids outside the vocabulary stand for nothing: a model's output may be wider than its vocabulary.
    #expect(tokenizer.bytes(of: Int32(tokenizer.vocabularySize)) == [] && tokenizer.text(of: -1) == "")
}
