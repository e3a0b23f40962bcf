// SPDX-License-Identifier: Apache-2.0
// Model folders as transformers saves them: the same logits and tokens as by transformers, and the same weights
// as on the way through GGUF.

import Conversion
import Formats
import Glibc
import JSON
import Kernels
import ModelFixtures
import Models
import Platform
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct FolderTests {
    static let names = [
        "llama", "llama-bias", "llama3", "llama-yarn", "mistral", "mistral-window", "qwen2", "qwen3",
        "gemma3",
        "gemma3-vision",
    ]
    /// Folders with exactly the numbers of a GGUF model, and that model.
    static let sameAsGGUF = [
        ("llama", "llama"), ("llama3", "llama3"), ("llama-yarn", "llama-yarn"), ("mistral", "mistral"),
        ("qwen2", "qwen2"), ("qwen3", "qwen3"), ("gemma3", "gemma3"), ("gemma3-vision", "gemma3"),
    ]

    private let folder = TemporaryFolder()

    private func convert(_ path: String, _ weights: TensorEncoding = .float32) throws -> (
        path: String, summary: ConversionSummary
    ) {
        let output = "\(folder.path)/model.tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: weights, head: weights), replacesExisting: true,
            threadCount: 2,
            program: "test")
        return (output, try converter.convert(path, to: output))
    }

    private func golden(_ name: String) throws -> (json: JSON, logits: [Float]) {
        let path = "\(FolderCopy.fixtures)/\(name)/golden"
        let bytes = try readFile(path: "\(path).logits.bin", limit: 1 << 24)
        let logits = bytes.withUnsafeBytes { raw in
            (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        return (try JSON.parse(readFile(path: "\(path).json", limit: 1 << 20)), logits)
    }

    @Test(arguments: names) func logitsAreThoseOfTransformers(name: String) throws {
        let (json, expected) = try golden(name)
        let tokens = (json["tokens"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } }
        let positions = (json["positions"]?.arrayValue ?? []).compactMap(\.intValue)
        var options = Engine.Options()
        options.threads = 2
        let engine = try Engine(path: convert("\(FolderCopy.fixtures)/\(name)").path, options: options)
        let logits = try engine.makeSession(contextLength: 64).logits(of: tokens, at: positions)
        #expect(tokens.count == 48 && positions.count == 8)
        #expect(largestDifference(logits, expected) < ForwardPassTests.tolerance)
        #expect(meanDivergence(of: logits, from: expected, rows: positions.count) < 1e-5)
        // What looks like a token is text here; TokenizationTests has it as a token.
        for row in json["texts"]?.arrayValue ?? [] where row["text"]?.stringValue?.contains("<|") == false {
            let ids = (row["ids"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } }
            #expect(engine.encode(row["text"]?.stringValue ?? "") == ids, "\(row)")
        }
        #expect(engine.hasChatTemplate)
    }

    /// A prompt is continued and a text is scored on, so neither ends.
    @Test func theEndOfSequenceFollowsNoText() throws {
        let copy = FolderCopy("gemma3")
        copy.replace("{", by: "{\"add_eos_token\": true,", in: "tokenizer_config.json")
        let engine = try Engine(path: convert(copy.path).path, options: Engine.Options())
        let ids = engine.encode("the ferry")
        #expect(engine.tokenizer.addsEndOfSequence && engine.tokenizer.endOfSequence == 1)
        #expect(ids.first == engine.tokenizer.beginOfSequence && !ids.contains(1))
        #expect(ids.dropFirst().elementsEqual(engine.encode("the ferry", addingSpecial: false)))
    }

    /// Mean of Σ p · ln(p / q) over the rows.
    private func meanDivergence(of logits: [Float], from expected: [Float], rows: Int) -> Double {
        func logProbabilities(_ row: ArraySlice<Float>) -> [Double] {
            let values = row.map { Double($0) }
            let top = values.max() ?? 0
            let sum = values.reduce(0) { $0 + exp($1 - top) }
            return values.map { $0 - top - log(sum) }
        }
        let size = expected.count / rows
        var total = 0.0
        for start in stride(from: 0, to: expected.count, by: size) {
            let p = logProbabilities(expected[start..<start + size])
            let q = logProbabilities(logits[start..<start + size])
            total += zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
        }
        return total / Double(rows)
    }

    @Test(arguments: sameAsGGUF, [TensorEncoding.float32, .int4])
    func theSameWeightsAsThroughGGUF(pair: (name: String, model: String), weights: TensorEncoding) throws {
        let ours = try TillerFile(path: convert("\(FolderCopy.fixtures)/\(pair.name)", weights).path)
        let other = TemporaryFolder()
        let theirs = try TillerFile(path: TinyModel(pair.model).convert(weights, in: other))
        for entry in ours.tensorIndex.entries {
            let same = try #require(theirs.tensorIndex[entry.role, entry.layer])
            #expect(same.encoding == entry.encoding)
            #expect(ours.bytes(of: entry).elementsEqual(theirs.bytes(of: same)), "\(entry.name)")
        }
        // Llama 3's factors are numbers of the configuration here, a tensor there.
        let factors = theirs.tensorIndex[.ropeFactors] == nil ? 0 : 1
        #expect(theirs.tensorIndex.entries.count == ours.tensorIndex.entries.count + factors)
        var expected = theirs.manifest.configuration
        if factors > 0 { expected.rotaries = ours.manifest.configuration.rotaries }
        #expect(ours.manifest.configuration == expected)
        #expect(ours.chatTemplate == theirs.chatTemplate)
    }

    @Test func theManifestNamesTheSource() throws {
        let path = "\(FolderCopy.fixtures)/llama"
        let manifest = try TillerFile(path: convert(path).path).manifest
        let shards = (1...4).map { "model-0000\($0)-of-00004.safetensors" }
        let bytes = try shards.flatMap { try readFile(path: "\(path)/\($0)", limit: 1 << 20) }
        #expect(manifest.source.sha256 == SHA256.digest(of: bytes))
        #expect(manifest.source.byteCount == bytes.count && manifest.source.types == ["BF16"])
        #expect(manifest.source.format == "safetensors" && manifest.source.fileName == "llama")
        #expect(manifest.name == "llama" && manifest.architecture == "LlamaForCausalLM")
        #expect(manifest.generation["temperature"]?.doubleValue == 0.7)
    }

    @Test(arguments: [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\n", "apache-2.0"),
        ("---\nlanguage: en\n---\nlicense: mit\n", ""), ("# A model\nlicense: mit\n", ""),
    ])
    func theLicenceIsThatOfTheModelCard(card: String, license: String) throws {
        let copy = FolderCopy("qwen3")
        copy.write(Array(card.utf8), to: "README.md")
        #expect(try TillerFile(path: convert(copy.path).path).manifest.license == license)
    }

    @Test func partsForImagesAreLeftOut() throws {
        let remarks = try convert("\(FolderCopy.fixtures)/gemma3-vision").summary.remarks
        #expect(remarks.count == 1 && remarks[0].contains("tensors for images"))
        #expect(try convert("\(FolderCopy.fixtures)/gemma3").summary.remarks.isEmpty)
    }

    @Test(arguments: [
        ("chat_template.jinja", "one"), ("chat_template.json", #"{"chat_template": "one"}"#),
        ("tokenizer_config.json", #"{"bos_token": {"content": "<bos>"}, "chat_template": "one"}"#),
        (
            "tokenizer_config.json",
            #"{"chat_template": [{"name": "rag", "template": "two"}, {"name": "default", "template": "one"}]}"#
        ),
    ])
    func chatTemplatesAreFoundWhereverTheyAre(file: String, content: String) throws {
        let copy = FolderCopy("gemma3")
        copy.remove("chat_template.jinja")
        copy.write(Array(content.utf8), to: file)
        #expect(try ModelSource(path: copy.path).chatTemplate == "one")
    }

    @Test func theSourceIsNotTheOutput() throws {
        let copy = FolderCopy("qwen3")
        let converter = Converter(
            encodings: EncodingChoice(weights: .int8, head: .int8), replacesExisting: true, threadCount: 1,
            program: "test")
        for file in ["model.safetensors", "config.json"] {
            let error = try #require(throws: ConversionError.self) {
                try converter.convert(copy.path, to: "\(copy.path)/\(file)")
            }
            #expect(error.description.contains("is the source itself"))
        }
    }
}
