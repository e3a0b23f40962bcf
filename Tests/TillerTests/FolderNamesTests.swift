// SPDX-License-Identifier: Apache-2.0
// The names under which transformers reads the tensors of a folder: with and without prefixes, a tied matrix under either name.
// What is converted is the same, whatever the names are. And rows for every token.

import Conversion
import Formats
import JSON
import ModelFixtures
import Models
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct FolderNamesTests {
    private let folder = TemporaryFolder()

    private func convert(_ path: String, _ weights: TensorEncoding = .float32, to name: String = "model")
        throws -> TillerFile
    {
        let output = "\(folder.path)/\(name).tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: weights, head: weights), replacesExisting: true,
            threadCount: 2, program: "test")
        _ = try converter.convert(path, to: output)
        return try TillerFile(path: output)
    }

    /// Gives the tensors of a folder other names.
    private func rename(_ copy: FolderCopy, _ name: (String) -> String) throws {
        func renamed(_ object: JSON.Object) -> JSON.Object {
            var result = JSON.Object()
            for member in object {
                result[member.key == "__metadata__" ? member.key : name(member.key)] = member.value
            }
            return result
        }
        var files = ["model.safetensors"]
        if copy.exists("model.safetensors.index.json") {
            var index = try #require(
                try JSON.parse(copy.bytes(of: "model.safetensors.index.json")).objectValue)
            let map = try #require(index["weight_map"]?.objectValue)
            files = Set(map.compactMap(\.value.stringValue)).sorted()
            index["weight_map"] = .object(renamed(map))
            copy.write(JSON.object(index).serializedBytes(), to: "model.safetensors.index.json")
        }
        for file in files {
            let bytes = copy.bytes(of: file)
            let end = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
            let header = try #require(try JSON.parse(Array(bytes[8..<end])).objectValue)
            var text = JSON.object(renamed(header)).serializedBytes()
            while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
            let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
            copy.write(length + text + bytes[end...], to: file)
        }
    }

    private func without(_ prefix: String, _ name: String) -> String {
        name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
    }

    private func underHead(_ name: String) -> String {
        name.hasSuffix("embed_tokens.weight") ? "lm_head.weight" : name
    }

    private func expectSame(_ name: String, _ renaming: String, _ rename: (String) -> String) throws {
        let plain = try convert("\(FolderCopy.fixtures)/\(name)", to: "plain")
        let copy = FolderCopy(name)
        try self.rename(copy, rename)
        let file = try convert(copy.path)
        #expect(file.tensorIndex.entries == plain.tensorIndex.entries, "\(name), \(renaming)")
        #expect(file.weights.elementsEqual(plain.weights), "\(name), \(renaming)")
        #expect(file.manifest.configuration == plain.manifest.configuration, "\(name), \(renaming)")
    }

    @Test(arguments: ["qwen3", "mistral", "llama", "gemma3"]) func namesMayLackTheModel(name: String) throws {
        try expectSame(name, "bare") { without("model.", $0) }
        try expectSame(name, "partly bare") { $0.contains("layers.0") ? without("model.", $0) : $0 }
        try expectSame(name, "twice") { $0.hasPrefix("model.") ? "model." + $0 : $0 }
        try expectSame(name, "head inside") { $0 == "lm_head.weight" ? "model." + $0 : $0 }
    }

    @Test(arguments: ["qwen3", "llama3", "gemma3", "gemma3-vision"])
    func aTiedMatrixHasEitherName(name: String) throws {
        try expectSame(name, "head") { underHead($0) }
        try expectSame(name, "bare head") { without("model.", underHead($0)) }
    }

    @Test func partsOfAModelWithEyesHaveOldAndNewNames() throws {
        func old(_ name: String) -> String {
            name.hasPrefix("model.language_model.")
                ? "language_model.model." + without("model.language_model.", name) : without("model.", name)
        }
        try expectSame("gemma3-vision", "old") { old($0) }
        try expectSame("gemma3-vision", "bare") { without("model.", $0) }
        try expectSame("gemma3-vision", "old head") {
            $0.hasSuffix("embed_tokens.weight") ? "language_model.lm_head.weight" : old($0)
        }
    }

    private func expectRefusal(_ copy: FolderCopy, _ weights: TensorEncoding = .float32, _ words: String...) {
        let error = #expect(throws: (any Error).self) { try convert(copy.path, weights) }
        let text = error.map { "\($0)" } ?? ""
        for word in words + [copy.path] { #expect(text.contains(word), "\(text)") }
    }

    @Test func twoTensorsOfOneNameAreRefused() throws {
        let copy = FolderCopy("mistral")
        try rename(copy) { $0 == "model.layers.1.mlp.up_proj.weight" ? "layers.0.mlp.up_proj.weight" : $0 }
        expectRefusal(copy, .float32, "layers.0.mlp.up_proj.weight", "two names")
        // Without tying there is no embedding.
        let untied = FolderCopy("mistral")
        try rename(untied) { $0 == "model.embed_tokens.weight" ? "model.unknown.weight" : $0 }
        expectRefusal(untied, .float32, "embed_tokens.weight is missing")
    }

    // MARK: - Rows for tokens

    @Test(arguments: [TensorEncoding.float32, .float16, .int8, .int4])
    func tokensWithoutARowAreRefused(weights: TensorEncoding) throws {
        for name in ["llama", "mistral", "gemma3"] {
            let copy = FolderCopy(name)
            copy.replace(
                "\"added_tokens\": [",
                by: "\"added_tokens\": [{\"id\": 290, \"content\": \"<more>\", \"special\": true},",
                in: "tokenizer.json")
            expectRefusal(copy, weights, "290", "<more>")
        }
        // Gemma's language models have the tokenizer of those that see images.
        let copy = FolderCopy("gemma3")
        copy.replace(
            "\"added_tokens\": [",
            by: "\"added_tokens\": [{\"id\": 290, \"content\": \"<image_soft_token>\", \"special\": true},",
            in: "tokenizer.json")
        _ = try convert(copy.path, weights)
    }

    @Test(arguments: [TensorEncoding.float32, .float16, .int8, .int4])
    func aGGUFWithMoreTokensThanRowsIsRefused(weights: TensorEncoding) throws {
        let source = try GGUFFile(path: "\(TinyModel.folder)/llama.gguf")
        var writer = GGUFWriter()
        writer.set("general.architecture", .string("llama"))
        for key in [
            "context_length", "embedding_length", "block_count", "feed_forward_length",
            "attention.head_count", "attention.head_count_kv",
        ] {
            let value = try #require(source.metadata["llama.\(key)"]?.integer)
            writer.set("llama.\(key)", .uint32(UInt32(value)))
        }
        writer.set("llama.attention.layer_norm_rms_epsilon", .float32(1e-5))
        writer.set("tokenizer.ggml.model", .string("gpt2"))
        writer.set("tokenizer.ggml.pre", .string("smollm"))
        for key in ["tokens", "merges"] {
            let texts = try #require(source.metadata["tokenizer.ggml.\(key)"]?.strings)
            let more = key == "tokens" ? ["<more>"] : []
            writer.set(
                "tokenizer.ggml.\(key)", .strings(texts.map { String(decoding: $0, as: UTF8.self) } + more))
        }
        for tensor in source.tensors {
            writer.add(
                tensor.name, type: tensor.type, dimensions: tensor.dimensions,
                bytes: Array(source.bytes(of: tensor)))
        }
        let path = "\(folder.path)/more.gguf"
        try writer.write(to: path, replaceExisting: true)
        let error = #expect(throws: ConversionError.self) { try convert(path, weights) }
        let text = error?.description ?? ""
        #expect(text.hasPrefix(path) && text.contains("291 tokens") && text.contains("290 rows"), "\(text)")
    }
}
