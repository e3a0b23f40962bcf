// SPDX-License-Identifier: Apache-2.0
// LoRA adapters merged by conversion: the logits of PEFT's merge_and_unload, for adapters and sources of either format in any
// combination.

import Conversion
import Formats
import JSON
import ModelFixtures
import Models
import Platform
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct AdapterTests {
    private static let fixtures = packageRoot + "/Tests/Fixtures/adapters"
    private let folder = TemporaryFolder()

    /// The model of an adapter as folder and as GGUF.
    private static func sources(_ name: String) -> [String] {
        name.hasPrefix("llama")
            ? ["\(FolderCopy.fixtures)/llama", "\(TinyModel.folder)/llama.gguf"]
            : ["\(FolderCopy.fixtures)/phi3", "\(FolderCopy.fixtures)/phi3/model.gguf"]
    }

    private func convert(_ source: String, _ adapter: String?) throws -> (
        file: TillerFile, summary: ConversionSummary
    ) {
        let output = "\(folder.path)/model.tiller"
        var converter = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 1, program: "test")
        converter.adapter = adapter
        let summary = try converter.convert(source, to: output)
        return (try TillerFile(path: output), summary)
    }

    @Test(arguments: [
        ("llama-plain", "llama-plain"), ("llama-plain", "llama-plain.gguf"),
        ("llama-patterns", "llama-patterns"),
        ("phi3-plain", "phi3-plain"), ("phi3-plain", "phi3-plain.gguf"),
    ])
    func logitsAreThoseOfTheMergedModel(name: String, adapter: String) throws {
        for source in Self.sources(name) {
            let (file, summary) = try convert(source, "\(Self.fixtures)/\(adapter)")
            #expect(summary.remarks.contains { $0.contains(adapter) && $0.contains("merged") })
            #expect(file.manifest.source.fileName.hasSuffix(" + \(adapter)"))
            let json = try JSON.parse(
                readFile(path: "\(Self.sources(name)[0])/golden.json", limit: 1 << 20))
            let tokens = (json["tokens"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } }
            let positions = (json["positions"]?.arrayValue ?? []).compactMap(\.intValue)
            let session = try Engine(path: "\(folder.path)/model.tiller").makeSession(contextLength: 64)
            let logits = session.logits(of: tokens, at: positions)
            let bytes = try readFile(path: "\(Self.fixtures)/\(name).logits.bin", limit: 1 << 20)
            let expected = bytes.withUnsafeBytes { raw in
                (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
            #expect(expected.count == 8 * 290)
            #expect(
                largestDifference(logits, expected) < ForwardPassTests.tolerance, "\(source) \(adapter)")
        }
    }

    /// Profiles of the model without the adapter do not fit.
    @Test func theHashCoversTheAdapter() throws {
        let source = Self.sources("llama")[1]
        let (plain, merged) = (
            try convert(source, nil).file.manifest,
            try convert(source, "\(Self.fixtures)/llama-plain.gguf").file.manifest
        )
        let bytes = [source, "\(Self.fixtures)/llama-plain.gguf"].map { FolderCopy.bytes(at: $0) }
        #expect(plain.source.sha256 == SHA256.digest(of: bytes[0]))
        #expect(merged.source.sha256 == SHA256.digest(of: bytes[0] + bytes[1]))
        #expect(merged.source.byteCount == bytes[0].count + bytes[1].count)
    }

    // MARK: - What is refused

    private func expectRefusal(_ source: String, _ adapter: String, _ words: String...) {
        let error = #expect(throws: (any Error).self) { try convert(source, adapter) }
        let text = error.map { "\($0)" } ?? ""
        for word in words { #expect(text.contains(word), "\(text)") }
    }

    /// A copy of an adapter's folder in a new one.
    private func copy(_ name: String, _ old: String = "", _ new: String = "") throws -> TemporaryFolder {
        let copy = TemporaryFolder()
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            var bytes = FolderCopy.bytes(at: "\(Self.fixtures)/\(name)/\(file)")
            let places = bytes.indices.filter { bytes[$0...].starts(with: old.utf8) }
            if !old.isEmpty, let place = places.first,
                file.hasSuffix("json") || old.utf8.count == new.utf8.count
            {
                bytes.replaceSubrange(place..<place + old.utf8.count, with: new.utf8)
            }
            try write(bytes, to: "\(copy.path)/\(file)")
        }
        return copy
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let writer = try AtomicFileWriter(path: path, replaceExisting: true)
        try bytes.withUnsafeBytes { try writer.write($0) }
        try writer.commit()
    }

    @Test(arguments: [
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora"),
        ("\"fan_in_fan_out\": false", "\"fan_in_fan_out\": true", "fan_in_fan_out"),
        ("\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]", "modules_to_save"),
        ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias is 'all'"),
        ("\"peft_type\": \"LORA\"", "\"peft_type\": \"LOHA\"", "LOHA"),
        ("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"", "pissa"),
        ("\"r\": 3", "\"r\": 4", "have the rank 3, expected 4"), ("\"r\": 3", "\"s\": 3", "r is missing"),
        ("\"rank_pattern\": {}", "\"rank_pattern\": {\"q_.*\": 3}", "a regular expression"),
        ("\"lora_alpha\": 5", "\"lora_alpha\": \"5\"", "lora_alpha"),
        ("layers.1.mlp.up_proj.lora_A", "layers.7.mlp.up_proj.lora_A", "the other one is missing"),
        ("layers.1.mlp.up_proj.lora_A", "layers.1.mlp.up_proj.lora_C", "lora_C.weight is not read"),
        ("\"shape\":[3,64]", "\"shape\":[64,3]", "expected one rank"),
    ])
    func otherAdaptersAreRefusedByName(old: String, new: String, word: String) throws {
        let copy = try copy("llama-plain", old, new)
        expectRefusal(Self.sources("llama")[0], copy.path, word, copy.path)
    }

    @Test func whatDoesNotFitTheModelIsNamed() throws {
        let (llama, phi3) = (Self.sources("llama"), Self.sources("phi3"))
        // phi3 has other matrices, and qwen3 matrices of other shapes.
        expectRefusal(phi3[0], "\(Self.fixtures)/llama-plain", "does not have", "mlp.gate_proj.weight")
        expectRefusal(phi3[0], "\(Self.fixtures)/llama-plain.gguf", "llama", "phi3")
        expectRefusal("\(FolderCopy.fixtures)/qwen3", "\(Self.fixtures)/llama-plain", "as a matrix [")
        expectRefusal(llama[0], llama[1], "general.type is")
        expectRefusal(llama[0], llama[0], "has no adapter_config.json")
        expectRefusal(llama[0], "\(Self.fixtures)/none", "none")
        expectRefusal(llama[0], "\(Self.fixtures)/llama-plain.logits.bin", "is no adapter")
        // A head that the adapter repeats is that of the model.
        let copy = FolderCopy("llama")
        let index = copy.text(of: "model.safetensors.index.json")
        let shard = try #require(
            index.split(separator: "\"lm_head.weight\": \"", maxSplits: 1).last?.prefix { $0 != "\"" })
        copy.set("lm_head.weight", at: 70, to: [0, 1], in: String(shard))
        expectRefusal(copy.path, "\(Self.fixtures)/llama-patterns", "differs", "lm_head", "row 1")
        // A file of our own may have scaled columns.
        _ = try convert(llama[0], nil)
        let (own, moved) = ("\(folder.path)/model.tiller", "\(folder.path)/own.tiller")
        try write(FolderCopy.bytes(at: own), to: moved)
        expectRefusal(moved, "\(Self.fixtures)/llama-plain", "a .tiller file takes no adapter")
    }

    @Test func theAdapterIsNotOverwritten() throws {
        let copy = try copy("llama-plain")
        let path = "\(copy.path)/adapter_model.safetensors"
        var converter = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 1, program: "test")
        converter.adapter = copy.path
        let error = #expect(throws: (any Error).self) {
            try converter.convert(Self.sources("llama")[0], to: path)
        }
        #expect(error.map { "\($0)" }?.contains("is the source itself") == true)
    }

    /// Digits of the header with types and shapes, any characters elsewhere: no damage reads outside of a tensor.
    @Test(arguments: ["adapter_config.json", "adapter_model.safetensors", "llama-plain.gguf"])
    func damagedAdaptersAreReadOrRefused(file: String) throws {
        let copy = try copy("llama-plain")
        let path = "\(copy.path)/\(file)"
        let isGGUF = file.hasSuffix("gguf")
        let original = FolderCopy.bytes(at: isGGUF ? "\(Self.fixtures)/\(file)" : path)
        let header = 0..<min(original.count, 1800)
        let isHeader = file.hasSuffix("safetensors")
        let places = header.filter { !isHeader || (0x30...0x39).contains(original[$0]) }
        var generator = SeededGenerator(seed: UInt64(file.utf8.count))
        var refusals: Set<String> = []
        for _ in 0..<30 {
            var bytes = original
            let place = try #require(places.randomElement(using: &generator))
            bytes[place] = UInt8.random(in: isHeader ? 0x30...0x39 : 0x20...0x7E, using: &generator)
            try write(bytes, to: path)
            do { _ = try convert(Self.sources("llama")[1], isGGUF ? path : copy.path) } catch {
                refusals.insert("\(error)")
            }
        }
        #expect(refusals.count > 5, "\(refusals)")
    }
}
