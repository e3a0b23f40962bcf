// SPDX-License-Identifier: Apache-2.0
// Folders whose weights other programs quantized: decoded as those programs decode them, bit for bit, and the same logits as by
// transformers from the decoded weights.

import Conversion
import Formats
import Glibc
import JSON
import ModelFixtures
import Models
import Platform
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct QuantizedFolderTests {
    static let names = [
        "mlx-4bit", "mlx-3bit", "gptq-2bit", "gptq-3bit", "gptq-4bit", "gptq-8bit", "awq-4bit",
        "compressed-int4",
        "compressed-int8", "compressed-w8a8", "compressed-fp8", "compressed-fp8-block", "compressed-actorder",
        "fp8-block", "fp8-tensor", "fp8-channel", "mlx-phi3",
    ]
    private static let fixtures = packageRoot + "/Tests/Fixtures/quantized"
    private static let query = "model.layers.0.self_attn.q_proj"

    private static func golden(_ name: String) throws -> JSON {
        try JSON.parse(readFile(path: "\(fixtures)/\(name).json", limit: 1 << 20))
    }

    /// The name of a scheme's file in the folder.
    private static func file(_ name: String) -> String {
        name == "mlx-phi3" ? SafetensorsModel.fileName : "\(name).safetensors"
    }

    /// The folder of a scheme, with other settings for its quantization where some are given.
    private static func folder(_ name: String, _ change: (inout JSON.Object) -> Void = { _ in }) throws
        -> FolderCopy
    {
        let golden = try golden(name)
        let copy = FolderCopy(golden["folder"]?.stringValue ?? "quantized")
        var config = try #require(try JSON.parse(copy.bytes(of: "config.json")).objectValue)
        for member in golden["config"]?.objectValue ?? [:] {
            var settings = try #require(member.value.objectValue)
            change(&settings)
            config[member.key] = .object(settings)
        }
        copy.write(JSON.object(config).serializedBytes(), to: "config.json")
        if let map = golden["weight_map"] {
            let index: JSON = ["weight_map": map]
            copy.write(index.serializedBytes(), to: "model.safetensors.index.json")
        }
        copy.write(FolderCopy.bytes(at: "\(fixtures)/\(name).safetensors"), to: file(name))
        return copy
    }

    @Test(arguments: names) func weightsAreDecodedBitForBit(name: String) throws {
        let copy = try Self.folder(name)
        let source = try ModelSource(path: copy.path)
        let digests = try #require(try Self.golden(name)["sha256"]?.objectValue)
        #expect(digests.count >= 3)
        for member in digests {
            let tensor = try #require(source.tensors.first { $0.name == member.key }, "\(member.key)")
            var values = [Float](repeating: 0, count: tensor.rows * tensor.columns)
            values.withUnsafeMutableBufferPointer { buffer in
                guard let start = buffer.baseAddress else { return }
                for row in 0..<tensor.rows { tensor.decode(row: row, into: start + row * tensor.columns) }
            }
            var hash = SHA256()
            values.withUnsafeBytes { hash.update(ByteView(copying: $0)) }
            #expect(
                hash.finalize().description == member.value.stringValue,
                "\(member.key) begins \(values.prefix(4))")
        }
    }

    @Test(arguments: names) func logitsAreThoseOfDecodedWeights(name: String) throws {
        let copy = try Self.folder(name)
        let output = "\(copy.path)/model.tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: false,
            threadCount: 1, program: "test")
        let summary = try converter.convert(copy.path, to: output)
        let remarks = summary.remarks.filter { $0.contains("activations") }
        let hasActivations = ["fp8", "w8a8"].contains { name.contains($0) }
        #expect(remarks.count == (hasActivations ? 1 : 0))
        let golden = try Self.golden(name)
        let tokens = (golden["tokens"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } }
        let positions = (golden["positions"]?.arrayValue ?? []).compactMap(\.intValue)
        let logits = try Engine(path: output).makeSession(contextLength: 64).logits(of: tokens, at: positions)
        let bytes = try readFile(path: "\(Self.fixtures)/\(name).logits.bin", limit: 1 << 20)
        let expected = bytes.withUnsafeBytes { raw in
            (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        #expect(positions.count == 2 && expected.count == 2 * 290)
        #expect(largestDifference(logits, expected) < ForwardPassTests.tolerance)
    }

    // MARK: - What is refused

    private func expectRefusal(_ copy: FolderCopy, _ words: String..., comment: String = "") {
        let error = #expect(throws: (any Error).self, "\(comment)") { try ModelSource(path: copy.path) }
        let text = error.map { "\($0)" } ?? ""
        for word in words { #expect(text.contains(word), "\(comment) \(text)") }
    }

    @Test(arguments: ["bitsandbytes", "hqq", "quip", "torchao", "mxfp4"])
    func otherMethodsAreRefusedByName(method: String) throws {
        expectRefusal(
            try Self.folder("gptq-4bit") { $0["quant_method"] = .string(method) }, "quant_method", method)
    }

    private typealias Setting = (name: String, key: String, value: JSON, word: String)

    /// Of each scheme a setting, and the word of the error.
    private static let settings: [Setting] = [
        ("mlx-4bit", "mode", "mxfp4", "mxfp4"), ("mlx-4bit", "bits", 7, "bits is 7"),
        ("mlx-4bit", "group_size", 16, "group_size is 16"), ("mlx-4bit", Self.query, false, "has scales"),
        ("mlx-4bit", "group_size", 128, "whole groups of 128"), ("gptq-4bit", "bits", 5, "bits is 5"),
        ("gptq-4bit", "desc_act", false, "g_idx reorders columns"), ("gptq-4bit", "bits", 8, "qzeros is ["),
        ("gptq-4bit", "checkpoint_format", "marlin", "marlin"),
        ("gptq-4bit", "group_size", 0, "group_size is 0"),
        ("gptq-4bit", "dynamic", ["+:.*q_proj": ["bits": 8]], "dynamic"),
        ("awq-4bit", "version", "gemv", "gemv"),
        ("awq-4bit", "zero_point", false, "zero_point"), ("awq-4bit", "group_size", 48, "whole groups of 48"),
        ("awq-4bit", "bits", 8, "bits is 8"), ("compressed-int4", "format", "nvfp4-pack-quantized", "nvfp4"),
        ("compressed-int4", "kv_cache_scheme", ["num_bits": 8], "kv_cache_scheme"),
        ("compressed-int4", "transform_config", ["config_groups": ["u": [:]]], "transform_config"),
        ("compressed-int4", "sparsity_config", ["format": "sparse-24-bitmask"], "sparse-24-bitmask"),
        ("compressed-int4", "config_groups", [:], "config_groups"), ("fp8-block", "fmt", "e5m2", "e5m2"),
        ("fp8-block", "weight_block_size", [16], "weight_block_size"),
        ("fp8-block", "weight_block_size", [16, 16], "weight_scale_inv is [4 × 2], expected [4 × 4]"),
    ]

    @Test(arguments: settings)
    private func settingsThatCannotBeObeyedAreRefused(_ setting: Setting) throws {
        expectRefusal(
            try Self.folder(setting.name) { $0[setting.key] = setting.value }, setting.word,
            comment: "\(setting.name) \(setting.key)")
    }

    /// In the weights of a group of modules.
    @Test(arguments: [
        ("strategy", "token" as JSON, "strategy is 'token'"), ("num_bits", 3, "num_bits is 3"),
        ("num_bits", 8, "weight_shape"), ("type", "float", "type is 'float'"),
        ("group_size", 48, "whole groups of 48"), ("group_size", 64, "weight_scale is ["),
    ])
    func settingsOfGroupsAreChecked(key: String, value: JSON, word: String) throws {
        let copy = try Self.folder("compressed-int4") { settings in
            guard var groups = settings["config_groups"]?.objectValue,
                var group = groups["group_0"]?.objectValue, var weights = group["weights"]?.objectValue
            else { return }
            weights[key] = value
            group["weights"] = .object(weights)
            groups["group_0"] = .object(group)
            settings["config_groups"] = .object(groups)
        }
        expectRefusal(copy, word, comment: key)
    }

    @Test func indicesOutsideAreRefused() throws {
        for (name, tensor) in [("gptq-4bit", "g_idx"), ("compressed-actorder", "weight_g_idx")] {
            for bytes in [[2, 0, 0, 0], [255, 255, 255, 255]] as [[UInt8]] {
                let copy = try Self.folder(name)
                copy.set("\(Self.query).\(tensor)", at: 5, to: bytes, in: "\(name).safetensors")
                expectRefusal(copy, "\(tensor) puts column 5 into group", "below 2", comment: name)
            }
        }
        // Groups of one size are what compressed-tensors cuts columns into: the first column belongs to one of two.
        let errors = try ([0, 1] as [UInt8]).compactMap { group -> String? in
            let copy = try Self.folder("compressed-actorder")
            copy.set(
                "\(Self.query).weight_g_idx", at: 0, to: [group, 0, 0, 0],
                in: "compressed-actorder.safetensors")
            do { _ = try ModelSource(path: copy.path) } catch { return "\(error)" }
            return nil
        }
        #expect(errors.count == 1 && errors[0].contains("different sizes"), "\(errors)")
        // A bias that is not zero belongs to another model.
        let biased = try Self.folder("gptq-4bit")
        biased.set("model.layers.0.mlp.down_proj.bias", at: 3, to: [0, 1], in: "gptq-4bit.safetensors")
        expectRefusal(biased, "down_proj.bias")
    }

    /// Changes a text of the same length in the header of the scheme's file, and in the index.
    private func renamed(_ name: String, _ old: String, _ new: String) throws -> FolderCopy {
        precondition(old.utf8.count == new.utf8.count)
        let copy = try Self.folder(name)
        for file in ["\(name).safetensors", "model.safetensors.index.json"] {
            var bytes = copy.bytes(of: file)
            let ends = old.utf8.count
            for start in 0..<max(bytes.count - ends, 0)
            where bytes[start..<start + ends].elementsEqual(old.utf8) {
                bytes.replaceSubrange(start..<start + ends, with: new.utf8)
            }
            copy.write(bytes, to: file)
        }
        return copy
    }

    @Test(arguments: [
        ("mlx-4bit", "q_proj.biases", "q_proj.biasez", "q_proj.biases is missing"),
        ("gptq-4bit", "k_proj.qzeros", "k_proj.qzeroz", "k_proj.qzeros is missing"),
        (
            "compressed-int4", "q_proj.weight_zero_point", "q_proj.weight_zero_poinz",
            "weight_zero_point is missing"
        ),
        ("compressed-int4", "q_proj.weight_packed", "q_proj.weight_packez", "q_proj.weight is missing"),
        ("fp8-block", "\"F8_E4M3\"", "\"F8_E5M2\"", "is of type F8_E5M2"),
        ("fp8-block", "q_proj.weight_scale_inv", "q_proj.weight_scale_inw", "is of type F8_E4M3"),
        ("awq-4bit", "\"I32\"", "\"U32\"", "is of type U32, expected one of I32"),
        ("awq-4bit", "[64,8]", "[8,64]", "whole groups of 32"),
        ("gptq-4bit", "[8,64]", "[64,8]", "qzeros is ["),
    ])
    func partsThatDoNotFitAreRefused(name: String, old: String, new: String, word: String) throws {
        expectRefusal(try renamed(name, old, new), word, comment: "\(name) \(old)")
    }

    @Test func aMethodWithoutQuantizedTensorsIsRefused() throws {
        let copy = try Self.folder("fp8-block") { $0["quant_method"] = "gptq" }
        expectRefusal(copy, "bits is missing")
        let plain = try Self.folder("fp8-block") {
            $0 = ["quant_method": "gptq", "bits": 4, "group_size": 32]
        }
        expectRefusal(plain, "GPTQ", ".qweight")
    }

    /// Digits and letters of the settings, and of the header with types and shapes: no damage reads outside of a tensor.
    @Test(arguments: names) func damagedFoldersAreReadOrRefused(name: String) throws {
        let copy = try Self.folder(name)
        var generator = SeededGenerator(seed: UInt64(name.utf8.count))
        var refusals: Set<String> = []
        for file in ["config.json", Self.file(name)] {
            let original = copy.bytes(of: file)
            let header = file == "config.json" ? original.count : 1500
            for _ in 0..<12 {
                var bytes = original
                let digits = bytes[..<header].indices.filter { (0x30...0x39).contains(bytes[$0]) }
                for _ in 0..<2 {
                    let place = try #require(digits.randomElement(using: &generator))
                    bytes[place] = UInt8.random(in: 0x30...0x39, using: &generator)
                }
                copy.write(bytes, to: file)
                do {
                    for tensor in try ModelSource(path: copy.path).tensors {
                        var row = [Float](repeating: 0, count: tensor.columns)
                        for index in 0..<tensor.rows { tensor.decode(row: index, into: &row) }
                    }
                } catch { refusals.insert("\(error)") }
            }
            copy.write(original, to: file)
        }
        #expect(refusals.count > 3)
    }
}
