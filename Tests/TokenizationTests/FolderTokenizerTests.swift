// SPDX-License-Identifier: Apache-2.0
// tokenizer.json and the files beside it: the ids of transformers, the same section as through GGUF, and what is
// refused.

import Conversion
import Formats
import JSON
import Models
import TestSupport
import Testing
import Tokenization

@Suite struct FolderTokenizerTests {
    /// The tokenizer of a model folder, and its bytes.
    private struct Imported {
        let bytes: ByteView
        let tokenizer: Tokenizer

        init(_ path: String) throws {
            bytes = ByteView(copying: try #require(try ModelSource(path: path).tokenizer))
            tokenizer = try Tokenizer(bytes: bytes.bytes, owner: bytes.owner)
        }
    }

    @Test(arguments: ["llama", "llama3", "mistral", "qwen2", "gemma3"])
    func idsAreThoseOfTransformers(name: String) throws {
        let path = "\(FolderCopy.fixtures)/\(name)"
        let imported = try Imported(path)
        let golden = try JSON.parse(FolderCopy.bytes(at: "\(path)/golden.json"))
        let rows = golden["texts"]?.arrayValue ?? []
        #expect(rows.count == 3)
        for row in rows {
            let text = row["text"]?.stringValue ?? ""
            let ids = imported.tokenizer.encode(text, addSpecial: true, parseSpecial: true)
            #expect(ids == row.ids, "\(text)")
        }
    }

    /// GGUF does not say that Qwen's texts are composed (NFC) before they are cut.
    @Test(arguments: ["llama", "llama3"])
    func theSectionIsTheSameAsThroughGGUF(name: String) throws {
        let copy = FolderCopy(name)
        // It names one more token that ends generation.
        copy.remove("generation_config.json")
        let ours = try Imported(copy.path).bytes
        let theirs = try ModelSource(path: "\(packageRoot)/Tests/Fixtures/models/\(name).gguf").tokenizer
        #expect(theirs.map { ours.elementsEqual($0) } == true)
    }

    @Test func endsOfGenerationMayBeSeveral() throws {
        #expect(try Imported("\(FolderCopy.fixtures)/llama").tokenizer.endOfGeneration == [7, 287, 289])
        let copy = FolderCopy("mistral")
        #expect(try Imported(copy.path).tokenizer.endOfGeneration == [2, 7])
        copy.replace("7\n", by: "700\n", in: "generation_config.json")
        #expect(try Imported(copy.path).tokenizer.endOfGeneration == [2])
    }

    @Test func settingsBesideTheTokenizerWin() throws {
        let copy = FolderCopy("gemma3")
        #expect(try Imported(copy.path).tokenizer.addsBeginOfSequence)
        copy.replace(
            "{", by: "{\"add_bos_token\": false, \"add_eos_token\": true,", in: "tokenizer_config.json")
        let tokenizer = try Imported(copy.path).tokenizer
        #expect(!tokenizer.addsBeginOfSequence && tokenizer.addsEndOfSequence)
        // Without them config.json has the ids, and special_tokens_map.json the texts.
        copy.remove("tokenizer_config.json")
        #expect(try Imported(copy.path).tokenizer.beginOfSequence == 2)
        copy.write(
            Array(#"{"bos_token": {"content": "<pad>"}, "pad_token": "<pad>", "eos_token": "<eos>"}"#.utf8),
            to: "special_tokens_map.json")
        copy.replace("\"<bos>\"", by: "\"<pad>\"", in: "tokenizer.json")
        #expect(throws: ConversionError.self) { try Imported(copy.path) }
    }

    /// Every token has a row of the embedding, but for Gemma's token that stands for an image.
    @Test func tokensAfterTheEmbeddingAreRefused() throws {
        func token(_ text: String) -> String {
            "\"added_tokens\": [{\"id\": 9223372036854775807, \"content\": \"\(text)\", \"special\": true},"
        }
        let gemma = FolderCopy("gemma3")
        let before = Array(try Imported(gemma.path).bytes)
        gemma.replace("\"added_tokens\": [", by: token("<image_soft_token>"), in: "tokenizer.json")
        #expect(try Array(Imported(gemma.path).bytes) == before)
        for name in ["llama", "mistral"] {
            let copy = FolderCopy(name)
            copy.replace("\"added_tokens\": [", by: token("<image>"), in: "tokenizer.json")
            let error = #expect(throws: ConversionError.self) { try Imported(copy.path) }
            #expect(error?.description.contains("added_tokens[0].id is 9223372036854775807") == true)
        }
    }

    @Test func mergesMayBeLines() throws {
        let copy = FolderCopy("llama")
        let before = Array(try Imported(copy.path).bytes)
        // ["t", "h"] on lines of their own becomes "t h".
        let text = copy.text(of: "tokenizer.json")
        let pairs = text.replacing(#/\[\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*")\s*\]/#) {
            "\($0.1.dropLast()) \($0.2.dropFirst())"
        }
        #expect(pairs != text && pairs.contains("\"t h\""))
        copy.write(Array(pairs.utf8), to: "tokenizer.json")
        #expect(try Array(Imported(copy.path).bytes) == before)
    }

    /// Expressions as published files have them, and the pre-tokenizer of formats/tokenizer.md §6.1.
    static let expressions: [(rules: [String], preTokenizer: PreTokenizer)] = [
        ([], .gpt2),
        (
            [
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ], .llama3
        ),
        (
            [
                #"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ], .qwen2
        ),
        (
            [
                #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ], .tekken
        ),
        (["[\r\n]", #"\s?\p{L}+"#, #"\s?\p{P}+"#, "[一-龥ࠀ-一가-퟿]+", #"\p{N}"#], .deepseekCoder),
    ]

    @Test(arguments: expressions.indices) func publishedExpressionsAreKnown(index: Int) throws {
        let (rules, preTokenizer) = Self.expressions[index]
        var steps: [JSON] = rules.map {
            ["type": "Split", "pattern": ["Regex": .string($0)], "behavior": "Isolated", "invert": false]
        }
        steps.append(["type": "ByteLevel", "add_prefix_space": false, "use_regex": .bool(rules.isEmpty)])
        let sequence: JSON = ["type": "Sequence", "pretokenizers": .array(steps)]
        let copy = FolderCopy("llama")
        let text = String(decoding: sequence.serializedBytes(), as: UTF8.self)
        copy.replace(
            "\"pre_tokenizer\": {", by: "\"pre_tokenizer\": \(text), \"other\": {", in: "tokenizer.json")
        // Byte 9 of a section names its pre-tokenizer.
        #expect(try Imported(copy.path).bytes[9] == preTokenizer.rawValue)
    }

    @Test func expressionsMayHaveLineBreaksOfTheirOwn() throws {
        let copy = FolderCopy("qwen2")
        let before = Array(try Imported(copy.path).bytes)
        // In JSON a backslash is two: what was an escape of the expression becomes one of JSON.
        copy.replace(#"[^\\r\\n\\p{L}"#, by: #"[^\r\n\\p{L}"#, in: "tokenizer.json")
        #expect(try Array(Imported(copy.path).bytes) == before)
    }

    @Test func tokensThatPeopleAddedAreFoundFirst() throws {
        let copy = FolderCopy("llama")
        copy.replace("\"special\": true", by: "\"special\": false", in: "tokenizer.json")
        copy.replace("\"<|endoftext|>\"", by: "\"[note]\"", in: "tokenizer.json")
        copy.replace("<|endoftext|>", by: "[note]", in: "tokenizer.json")
        copy.replace("<|endoftext|>", by: "[note]", in: "tokenizer_config.json")
        let tokenizer = try Imported(copy.path).tokenizer
        #expect(tokenizer.type(of: 287) == .userDefined && tokenizer.type(of: 288) == .control)
        #expect(tokenizer.encode("[note]", addSpecial: false, parseSpecial: false) == [287])
    }

    /// A change of tokenizer.json, and words of the error that it must give.
    static let refused: [(name: String, old: String, new: String, words: [String])] = [
        ("llama", "{", "[", ["tokenizer.json, line"]),
        ("llama", "\"model\": {", "\"models\": {", ["model is missing"]),
        (
            "llama", "\"type\": \"BPE\"", "\"type\": \"Unigram\"",
            ["tokenizer.json: model.type is 'Unigram', expected 'BPE'"]
        ),
        ("llama", "\"vocab\": {", "\"vocab\": [], \"v\": {", ["model.vocab is an array"]),
        ("llama", "\"!\": 0", "\"!\": \"0\"", ["model.vocab.'!' is a string"]),
        ("llama", "\"!\": 0", "\"!\": 1", ["is 1, expected an id that no other token has"]),
        ("llama", "\"!\": 0", "\"!\": 290", ["is 290, expected 0 to 289"]),
        ("llama", "\"!\": 0", "\"!\": -1", ["is -1, expected 0 to 289"]),
        ("llama", "\"id\": 287", "\"id\": -287", ["-287"]),
        ("llama", "\"id\": 287", "\"id\": null", ["added_tokens[0].id is missing"]),
        ("llama", "\"merges\": [", "\"merges\": {}, \"m\": [", ["model.merges is an object"]),
        ("llama", "\"merges\": [", "\"merges\": [[\"t\"],", ["model.merges[0] is an array"]),
        ("llama", "\"merges\": [", "\"merges\": [\"t h\",", ["model.merges[1] is an array"]),
        ("llama", "\"merges\": [", "\"merges\": [[\"t\", \"qqq\"],", ["merge 0"]),
        (
            "llama", "\"type\": \"Digits\"",
            "\"type\": \"Split\", \"pattern\": {\"String\": \"\"}, \"behavior\": \"Isolated\"",
            ["pattern.String is '', expected a text to split at"]
        ),
        (
            "llama", "\"type\": \"Digits\"", "\"type\": \"BertPreTokenizer\"",
            ["pretokenizers[0].type is 'BertPreTokenizer', expected ByteLevel"]
        ),
        (
            "llama", "\"type\": \"Digits\"", "\"type\": \"ByteLevel\"",
            ["pretokenizers[1].type is 'ByteLevel' after ByteLevel"]
        ),
        ("llama", "\"dropout\": null", "\"dropout\": 0.1", ["model.dropout is 0.1, expected 0"]),
        (
            "llama", "\"decoder\": {", "\"decoder\": null, \"d\": {",
            ["decoder is missing, expected ByteLevel"]
        ),
        (
            "llama", "\"type\": \"TemplateProcessing\"", "\"type\": \"RobertaProcessing\"",
            ["post_processor.type is 'RobertaProcessing'"]
        ),
        ("qwen2", "\"type\": \"NFC\"", "\"type\": \"Nmt\"", ["normalizer.type is 'Nmt', expected NFC"]),
        ("qwen2", "p{N}|", "p{N}+|", ["pretokenizers[0].pattern.Regex is '(?i:", "Qwen"]),
        ("qwen2", "\"behavior\": \"Isolated\"", "\"behavior\": \"Kept\"", ["behavior is 'Kept'"]),
        (
            "llama3", "\"SpecialToken\": {\n          \"id\": \"<|endoftext|>\"",
            "\"SpecialToken\": {\n          \"id\": \"<|im_end|>\"",
            ["post_processor puts '<|im_end|>' before text"]
        ),
        ("mistral", "\"unk_token\": \"<unk>\"", "\"unk_token\": \"<no>\"", ["model.unk_token is '<no>'"]),
        (
            "mistral", "\"type\": \"Prepend\"", "\"type\": \"Precompiled\"",
            ["normalizers[0].type is 'Precompiled'"]
        ),
        ("mistral", "\"String\": \" \"", "\"Regex\": \" +\"", ["pattern.Regex is ' +', expected a String"]),
        ("mistral", "\"type\": \"ByteFallback\"", "\"type\": \"CTC\"", ["decoders[1].type is 'CTC'"]),
        ("mistral", "\"content\": \" \"", "\"content\": \"_\"", ["decoders[0].content is '_', expected ' '"]),
        (
            "gemma3", "\"pre_tokenizer\": {",
            "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"WhitespaceSplit\"}, "
                + "{\"type\": \"Metaspace\", \"replacement\": \"▁\", \"prepend_scheme\": \"first\"}]}, \"other\": {",
            ["pretokenizers[1].prepend_scheme is 'first' after another step and a normalizer"]
        ),
        (
            "gemma3", "\"type\": \"Replace\"", "\"type\": \"BertNormalizer\"",
            ["normalizer.type is 'BertNormalizer'"]
        ),
        (
            "gemma3", "\"type\": \"Split\"", "\"type\": \"UnicodeScripts\"",
            ["pre_tokenizer.type is 'UnicodeScripts'"]
        ),
        (
            "gemma3", "\"type\": \"Split\"", "\"replacement\": \"ab\", \"type\": \"Metaspace\"",
            ["pre_tokenizer.replacement is 'ab', expected one character"]
        ),
    ]

    @Test func aTokenTooLongIsRefusedBeforeItIsWorkedOn() throws {
        let copy = FolderCopy("mistral")
        let long = String(repeating: "ab", count: 40_000)
        copy.replace("\"vocab\": {", by: "\"vocab\": {\"\(long)\": 289, ", in: "tokenizer.json")
        let error = #expect(throws: TokenizerError.self) { try Imported(copy.path) }
        #expect(error?.rule == .texts && error?.found == "80000 bytes")
    }

    /// Each of the 60,000 cuts of a long token was tried.
    @Test func aLongTokenCostsItsLength() throws {
        let copy = FolderCopy("mistral")
        let long = String(repeating: "the ferry ", count: 6000)
        let last = copy.text(of: "tokenizer.json").matches(of: #/"((?:[^"\\]|\\.)*)": 289/#).last
        let text = try #require(last?.0)
        copy.replace(String(text), by: "\"\(long)\": 289", in: "tokenizer.json")
        let clock = ContinuousClock()
        let time = try clock.measure { _ = try? Imported(copy.path) }
        #expect(time < .seconds(2))
    }

    @Test(arguments: refused.indices) func whatIsNotKnownIsNamed(index: Int) throws {
        let (name, old, new, words) = Self.refused[index]
        let copy = FolderCopy(name)
        copy.replace(old, by: new, in: "tokenizer.json")
        let error = try #require(throws: (any Error).self) { try Imported(copy.path) }
        for word in words { #expect("\(error)".contains(word), "\(error)") }
    }
}
