// SPDX-License-Identifier: Apache-2.0
// Control tokens in some parts of a text only.

import TestSupport
import Testing
import Tokenization

/// A byte-level vocabulary of single characters, with control and user-defined tokens after them.
private func tokenizer(
    control: [String], userDefined: [String] = [], merges: [(String, String)] = []
) throws -> Tokenizer {
    let letters = ["a", "b", "x", "<", ">", "[", "]", "_"]
    var vocabulary = Vocabulary(
        kind: .byteLevelBPE, texts: letters + control + userDefined,
        types: letters.map { _ in .normal } + control.map { _ in .control }
            + userDefined.map { _ in .userDefined })
    vocabulary.preTokenizer = .gpt2
    let texts = vocabulary.texts
    vocabulary.merges = merges.compactMap { pair in
        guard let left = texts.firstIndex(of: pair.0), let right = texts.firstIndex(of: pair.1) else {
            return nil
        }
        return Merge(left: Int32(left), right: Int32(right))
    }
    return try TestTokenizers.open(vocabulary)
}

extension Tokenizer {
    fileprivate func parts(_ text: String, controlTokensIn ranges: [Range<Int>]) -> [String] {
        encode(text, controlTokensIn: ranges).map { self.text(of: $0) }
    }
}

@Test func everywhereAndNowhereAreAsForTheWholeText() throws {
    let golden = try TestTokenizers.open(TestTokenizers.byteLevel(.qwen2))
    let pieces = try TestTokenizers.open(TestTokenizers.sentencePiece(spacePrefix: true))
    let texts = [
        "", "a", "<|im_start|>user\nHi <|im_end|>\n<|im_start|>", " <s>a</s> b<s>",
        "<|im_start|><|im_start|>",
        "no token", "<|im_start", "é<|im_end|>é",
    ]
    for tokenizer in [golden, pieces] {
        for text in texts {
            let all = text.isEmpty ? [] : [0..<text.utf8.count]
            #expect(
                tokenizer.encode(text, controlTokensIn: all)
                    == tokenizer.encode(text, addSpecial: false, parseSpecial: true))
            #expect(
                tokenizer.encode(text, controlTokensIn: [])
                    == tokenizer.encode(text, addSpecial: false, parseSpecial: false))
        }
    }
}

@Test func aTokenMustLieWhollyInOnePart() throws {
    let tokenizer = try tokenizer(control: ["<a>"])
    #expect(tokenizer.parts("<a><a>", controlTokensIn: [0..<3]) == ["<a>", "<", "a", ">"])
    #expect(tokenizer.parts("<a><a>", controlTokensIn: [3..<6]) == ["<", "a", ">", "<a>"])
    #expect(tokenizer.parts("<a>x", controlTokensIn: [0..<2, 3..<4]) == ["<", "a", ">", "x"])
    #expect(tokenizer.parts("<a>x", controlTokensIn: [1..<4]) == ["<", "a", ">", "x"])
}

@Test func whatStandsBesideAPartChangesNothingInIt() throws {
    let tokenizer = try tokenizer(control: ["<a>", "<a>x", "x<"], userDefined: ["<<", "><", "_x"])
    // A longer token that reaches out of the part gives way to the shorter one in it.
    #expect(tokenizer.parts("<a>x", controlTokensIn: [0..<3]) == ["<a>", "x"])
    #expect(tokenizer.parts("x<a>", controlTokensIn: [1..<4]) == ["x", "<a>"])
    // A user-defined token does not take the part's own token to pieces.
    #expect(tokenizer.parts("<<a><", controlTokensIn: [1..<4]) == ["<", "<a>", "<"])
    // Across the ends of parts it is found where nothing of theirs is in its way.
    #expect(tokenizer.parts("<a>__x_", controlTokensIn: [0..<5]) == ["<a>", "_", "_x", "_"])
    #expect(tokenizer.parts("<<a>", controlTokensIn: [0..<1]) == ["<<", "a", ">"])
}

@Test func aTokenTakesWhiteSpaceBeyondItsPart() throws {
    for flags in [[], .stripsLeft, .stripsRight, [.stripsLeft, .stripsRight]] as [AddedTokenRule.Flags] {
        var vocabulary = try TestTokenizers.characters()
        vocabulary.rules?.added = [AddedTokenRule(token: 1, flags: flags)]
        let tokenizer = try TestTokenizers.open(vocabulary)
        for text in ["a \n <s> \t b", "<s>  ", "  <s>", "a<s>b", " <s>\u{3000}ab \u{A0}<s> <s> ab"] {
            let bytes = Array(text.utf8)
            let ranges = bytes.indices.filter { bytes[$0...].starts(with: "<s>".utf8) }.map { $0..<$0 + 3 }
            #expect(
                tokenizer.encode(text, controlTokensIn: ranges)
                    == tokenizer.encode(text, addSpecial: false, parseSpecial: true),
                "\(text.debugDescription)")
        }
    }
}

@Test func piecesAreMergedAcrossTheEndsOfParts() throws {
    let tokenizer = try TestTokenizers.open(TestTokenizers.byteLevel(.llama3))
    let text = "<|im_start|>the words of the ferry<|im_end|>"
    let whole = tokenizer.encode(text, addSpecial: false, parseSpecial: true)
    let start = "<|im_start|>".utf8.count
    let end = text.utf8.count - "<|im_end|>".utf8.count
    for cut in start...end {
        #expect(tokenizer.encode(text, controlTokensIn: [0..<start, cut..<text.utf8.count]) == whole)
        #expect(tokenizer.encode(text, controlTokensIn: [0..<cut, end..<text.utf8.count]) == whole)
    }
}

@Test func noMergeMakesAControlToken() throws {
    let other = try tokenizer(control: [], userDefined: ["ab"], merges: [("a", "b")])
    #expect(other.parts("ab", controlTokensIn: []) == ["ab"])
    let tokenizer = try tokenizer(control: ["ab"], merges: [("a", "b")])
    #expect(tokenizer.parts("ab", controlTokensIn: []) == ["a", "b"])
    #expect(tokenizer.parts("ab", controlTokensIn: [0..<2]) == ["ab"])
}

/// The tokens of a text by their definition, for tokens that cannot overlap.
private func partsByDefinition(
    _ text: String, _ ranges: [Range<Int>], control: [String], userDefined: [String]
) -> [String] {
    let bytes = Array(text.utf8)
    var parts: [String] = []
    var position = 0
    next: while position < bytes.count {
        for token in control + userDefined where bytes[position...].starts(with: token.utf8) {
            let end = position + token.utf8.count
            guard
                userDefined.contains(token)
                    || ranges.contains(where: { $0.contains(position) && $0.upperBound >= end })
            else { continue }
            parts.append(token)
            position = end
            continue next
        }
        parts.append(String(decoding: [bytes[position]], as: UTF8.self))
        position += 1
    }
    return parts
}

@Test func randomPartsAreAsDefined() throws {
    let (control, userDefined) = (["<a>", "<b>", "<ab>"], ["[a]", "[_]"])
    let tokenizer = try tokenizer(control: control, userDefined: userDefined)
    var generator = SeededGenerator(seed: 20)
    for _ in 0..<2000 {
        let words = ["<a>", "<b>", "<ab>", "[a]", "[_]", "<", "a", ">", "[", "_", "]", "x"]
        let text = (0..<12).map { _ in words.randomElement(using: &generator) ?? "x" }.joined()
        let cuts = Set((0..<4).map { _ in Int.random(in: 0...text.utf8.count, using: &generator) }).sorted()
        let ranges = stride(from: 0, to: cuts.count - 1, by: 2).map { cuts[$0]..<cuts[$0 + 1] }
        #expect(
            tokenizer.parts(text, controlTokensIn: ranges)
                == partsByDefinition(text, ranges, control: control, userDefined: userDefined),
            "\(text) \(ranges)")
    }
}
