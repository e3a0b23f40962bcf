// SPDX-License-Identifier: Apache-2.0
// What config.json may say: the old and the new way to write positions, defaults, and everything that is refused
// before a byte is written.

import Conversion
import Formats
import Models
import Quantization
import TestSupport
import Testing

/// The configuration of a folder whose config.json is changed.
func folderConfiguration(
    _ name: String, _ edits: [(old: String, new: String)] = []
) throws -> ModelConfiguration {
    let copy = FolderCopy(name)
    for edit in edits { copy.replace(edit.old, by: edit.new, in: "config.json") }
    return try ModelSource(path: copy.path).configuration
}

@Suite struct FolderConfigurationTests {
    /// The member `rope_parameters` under another name and with other content.
    private static let newRope = "\"rope_parameters\":"

    @Test func positionsMayBeWrittenInTheOldWay() throws {
        let old = try folderConfiguration(
            "llama3",
            [
                (Self.newRope, "\"rope_theta\": 500000, \"rope_scaling\":"),
                ("\"rope_theta\": 500000.0,", ""),
                ("\"rope_type\"", "\"type\""),
            ])
        #expect(try old == folderConfiguration("llama3"))
        #expect(
            old.rotaries[0].scaling
                == .llama3(
                    factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 64))
        let gemma = try folderConfiguration(
            "gemma3",
            [
                (Self.newRope, "\"rope_theta\": 1000000.0, \"rope_local_base_freq\": 10000.0, \"unused\":"),
                (
                    "\"vocab_size\"",
                    "\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8.0}, \"vocab_size\""
                ),
                ("\"layer_types\":", "\"sliding_window_pattern\": 6, \"types\":"),
            ])
        #expect(try gemma == folderConfiguration("gemma3"))
        #expect(gemma.layers.indices.filter { gemma.layers[$0].attention?.window == nil } == [5])
        #expect(gemma.rotaries.map(\.theta) == [1_000_000, 10_000])
    }

    @Test func whatIsLeftOutHasItsDefault() throws {
        let llama = try folderConfiguration(
            "qwen2",
            [("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 1, \"use_sliding_window\": null")])
        let plans = llama.layers.compactMap(\.attention)
        #expect(plans.allSatisfy { $0.window == nil && $0.hasBias && !$0.hasOutputBias })
        let mistral = try folderConfiguration("mistral-window")
        #expect(mistral.layers.allSatisfy { $0.attention?.window == 8 } && mistral.rotaries.count == 1)
        let tied = try folderConfiguration("llama3", [("\"tie_word_embeddings\": true", "\"unused\": 1")])
        #expect(tied.hasTiedEmbeddings)
        let yarn = try folderConfiguration(
            "llama-yarn", [("\"factor\": 4.0", "\"factor\": 4.0, \"mscale\": 2, \"mscale_all_dim\": 1")])
        guard case .yarn(_, _, _, _, let factor?) = yarn.rotaries[0].scaling else {
            Issue.record("no attention factor")
            return
        }
        #expect(abs(factor - (0.2 * 1.386_294_4 + 1) / (0.1 * 1.386_294_4 + 1)) < 1e-6)
    }

    @Test func everyNthLayerMaySeeEverything() throws {
        let types = "\"layer_types\": [\"sliding_attention\", \"full_attention\"], \"sliding_window\": 8"
        let window = [
            ("\"sliding_window\": null", types),
            ("\"use_sliding_window\": false", "\"use_sliding_window\": true"),
            ("\"layer_types\": [", "\"old_types\": ["),
        ]
        let qwen = try folderConfiguration("qwen3", window)
        #expect(qwen.layers.map { $0.attention?.window } == [8, nil])
    }

    @Test func layersWithAWindowMayStandInAnyOrder() throws {
        let gemma = try folderConfiguration(
            "gemma3", [("[\n    \"sliding_attention\"", "[\n    \"full_attention\"")])
        #expect(gemma.layers.indices.filter { gemma.layers[$0].attention?.window == nil } == [0, 5])
        #expect(gemma.layers.map { $0.attention?.rotary } == [0, 1, 1, 1, 1, 0, 1])
        #expect(try ModelConfiguration(gemma.json) == gemma)
    }

    @Test func windowsAndRotariesGoTogether() throws {
        let olmo = try folderConfiguration("olmo3")
        #expect(olmo.layers.map { $0.attention?.window } == [8, nil, 8])
        #expect(olmo.layers.map { $0.attention?.rotary } == [1, 0, 1] && olmo.rotaries[1].scaling == .none)
        #expect(olmo.layers.allSatisfy { $0.norms == .after && $0.attention?.queryKeyNorm == .whole })
        // As published models write it, and without what has a default.
        let old = try folderConfiguration(
            "olmo3",
            [
                (
                    Self.newRope,
                    "\"rope_theta\": 20000.0, \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8.0, "
                        + "\"original_max_position_embeddings\": 16, \"attention_factor\": 1.2079441541679836}, \"unused\":"
                ),
                ("\"layer_types\":", "\"types\":"),
            ])
        #expect(old.rotaries == olmo.rotaries)
        #expect(old.layers.map { $0.attention?.window } == [8, 8, 8])
    }

    @Test func layersWithoutAWindowHaveNoRotaryAmongOthers() throws {
        let hybrid = try folderConfiguration("exaone4")
        #expect(hybrid.layers.map { $0.attention?.window } == [8, nil, 8])
        #expect(hybrid.layers.map { $0.attention?.rotary } == [0, nil, 0])
        #expect(hybrid.layers.allSatisfy { $0.norms == .after && $0.attention?.queryKeyNorm == .perHead })
        let plain = try folderConfiguration(
            "exaone4",
            [
                ("\"sliding_window\": 8", "\"sliding_window\": null"),
                ("\"layer_types\":", "\"types\":"),
            ])
        #expect(plain.layers.allSatisfy { $0.attention?.window == nil && $0.attention?.rotary == 0 })
        let step = try folderConfiguration(
            "exaone4",
            [
                ("\"sliding_window_pattern\": 4", "\"sliding_window_pattern\": 3"),
                ("\"layer_types\":", "\"types\":"),
            ])
        #expect(step.layers.map { $0.attention?.window } == [8, 8, nil])
        #expect(step.layers.map { $0.attention?.rotary } == [0, 0, nil])
        let error = try #require(throws: ConversionError.self) {
            try folderConfiguration(
                "exaone4",
                [
                    ("\"sliding_window_pattern\": 4", "\"sliding_window_pattern\": \"LLG\""),
                    ("\"layer_types\":", "\"types\":"),
                ])
        }
        #expect("\(error)".contains("sliding_window_pattern is 'LLG'"))
    }

    /// A change of a file, and words of the error that it must give.
    static let refused: [(name: String, file: String, old: String, new: String, words: [String])] = [
        (
            "llama", "config.json", "\"hidden_size\": 64,", "",
            ["config.json: hidden_size is missing", "integer"]
        ),
        (
            "llama", "config.json", "\"hidden_size\": 64", "\"hidden_size\": \"64\"",
            ["hidden_size is a string"]
        ),
        ("llama", "config.json", "\"hidden_size\": 64", "\"hidden_size\": 0", ["hiddenSize", "1 to 65536"]),
        (
            "llama", "config.json", "\"hidden_size\": 64", "\"hidden_size\": 32",
            ["model.embed_tokens.weight", "[290 × 32]"]
        ),
        (
            "llama", "config.json", "\"vocab_size\": 290", "\"vocab_size\": 289",
            ["model.embed_tokens.weight", "[289 × 64]"]
        ),
        (
            "llama", "config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0",
            ["num_attention_heads is 0"]
        ),
        (
            "llama", "config.json", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 0",
            ["num_key_value_heads is 0"]
        ),
        (
            "llama", "config.json", "\"num_attention_heads\": 4",
            "\"num_attention_heads\": 9223372036854775807",
            ["headCount"]
        ),
        (
            "llama", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3",
            ["model.layers.2.input_layernorm.weight is missing"]
        ),
        (
            "llama", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": -2",
            ["num_hidden_layers is -2"]
        ),
        (
            "llama", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1",
            ["9 tensors", "model.layers.1.input_layernorm.weight"]
        ),
        ("llama", "config.json", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e999", ["config.json, line"]),
        (
            "llama", "config.json", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e99",
            ["rms_norm_eps is a number"]
        ),
        (
            "llama", "config.json", "\"model_type\": \"llama\"", "\"model_type\": \"gpt2\"",
            ["'gpt2'", "qwen3"]
        ),
        ("llama", "config.json", "\"model_type\": \"llama\",", "", ["model_type is missing"]),
        ("llama", "config.json", "{", "[", ["config.json, line 2"]),
        (
            "llama", "config.json", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"",
            ["hidden_act is 'gelu'"]
        ),
        ("llama", "config.json", "\"mlp_bias\": false", "\"mlp_bias\": true", ["mlp_bias"]),
        (
            "llama", "config.json", "\"mlp_bias\": false",
            "\"quantization_config\": {\"quant_method\": \"bitsandbytes\"}",
            ["bitsandbytes"]
        ),
        (
            "llama", "config.json", "\"attention_bias\": false", "\"attention_bias\": true",
            ["q_proj.bias is missing"]
        ),
        (
            "llama-bias", "config.json", "\"attention_bias\": true", "\"attention_bias\": false",
            ["does not use", "bias"]
        ),
        (
            "llama", "config.json", "\"rope_type\": \"default\"", "\"rope_type\": \"longrope\"",
            ["rope_parameters.rope_type", "longrope"]
        ),
        (
            "llama", "config.json", "\"rope_type\": \"default\"", "\"rope_type\": \"linear\"",
            ["rope_parameters.factor is missing"]
        ),
        (
            "llama3", "config.json", "\"low_freq_factor\": 1.0", "\"low_freq_factor\": 9.0",
            ["frequency factors"]
        ),
        ("llama-yarn", "config.json", "\"factor\": 4.0", "\"factor\": true", ["factor is a Boolean"]),
        (
            "llama3", "config.json", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false",
            ["lm_head.weight is missing"]
        ),
        (
            "llama", "config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true",
            ["lm_head.weight differs"]
        ),
        (
            "gemma3", "config.json", "\"attn_logit_softcapping\": null", "\"attn_logit_softcapping\": 50.0",
            ["attn_logit_softcapping"]
        ),
        (
            "olmo3", "config.json", "\"sliding_window\": 8", "\"sliding_window\": null",
            ["sliding_window is null"]
        ),
        (
            "olmo2", "config.json", "\"hidden_size\": 64,",
            "\"hidden_size\": 64, \"layer_types\": [\"sliding_attention\"],",
            ["layer_types is 'sliding_attention'"]
        ),
        (
            "gemma3", "config.json", "\"query_pre_attn_scalar\": 16", "\"query_pre_attn_scalar\": -1",
            ["query_pre_attn_scalar is -1"]
        ),
        (
            "gemma3", "config.json", "\"full_attention\",", "\"sliding_attention\", \"full_attention\",",
            ["layer_types is 8 of"]
        ),
        ("gemma3", "config.json", "\"full_attention\",", "\"chunked_attention\",", ["chunked_attention"]),
        (
            "gemma3-vision", "config.json", "\"text_config\": {", "\"text_config\": 1, \"other\": {",
            ["text_config is an integer"]
        ),
        (
            "llama", "model.safetensors.index.json", "00001-of-00004", "00009-of-00004",
            ["model-00009-of-00004.safetensors", "cannot open"]
        ),
        ("llama", "model.safetensors.index.json", "00002-of-00004", "00001-of-00004", ["safetensors.md R20"]),
        ("llama", "model.safetensors.index.json", "weight_map", "weights", ["safetensors.md R18"]),
        (
            "llama", "generation_config.json", "    7", "    \"7\"",
            ["generation_config.json: eos_token_id is an array"]
        ),
        ("llama", "generation_config.json", "0.7", "\"hot\"", ["temperature is a string"]),
        (
            "llama", "tokenizer_config.json", "<|im_end|>", "<|no_end|>",
            ["tokenizer_config.json: eos_token", "<|no_end|>"]
        ),
    ]

    @Test(arguments: refused.indices) func whatCannotBeConvertedIsNamed(index: Int) throws {
        let (name, file, old, new, words) = Self.refused[index]
        let copy = FolderCopy(name)
        copy.replace(old, by: new, in: file)
        try expectRefusal(copy, words)
    }

    private func expectRefusal(_ copy: FolderCopy, _ words: [String]) throws {
        let output = "\(copy.path)/new.tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: .int4, head: .int8), replacesExisting: false, threadCount: 1,
            program: "test")
        let error = try #require(throws: (any Error).self) { try converter.convert(copy.path, to: output) }
        for word in words + [copy.path] { #expect("\(error)".contains(word), "\(error)") }
        #expect(!copy.exists("new.tiller") && copy.partialNames.isEmpty)
    }

    @Test(arguments: ["config.json", "tokenizer.json", "model.safetensors"])
    func aMissingFileIsNamed(file: String) throws {
        let copy = FolderCopy("qwen3")
        copy.remove(file)
        try expectRefusal(copy, [file])
    }

    @Test func weightsInOtherFormatsAreNamed() throws {
        let copy = FolderCopy("qwen3")
        copy.remove("model.safetensors")
        copy.write([1], to: "pytorch_model.bin")
        try expectRefusal(copy, ["pytorch_model.bin", "safetensors"])
        copy.remove("tokenizer.json")
        copy.write([1], to: "tokenizer.model")
        try expectRefusal(copy, ["tokenizer.model is not read"])
    }

    /// Replaces a text of equal length in a weights file's header.
    private func damage(_ copy: FolderCopy, _ old: String, _ new: String) {
        precondition(old.utf8.count == new.utf8.count)
        let bytes = copy.bytes(of: "model.safetensors")
        let header = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let text = String(decoding: bytes[8..<header], as: UTF8.self)
        let parts = text.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
        precondition(parts.count == 2, "the header has no \(old)")
        copy.write(
            Array(bytes[..<8]) + Array(parts.joined(separator: new).utf8) + bytes[header...],
            to: "model.safetensors")
    }

    @Test(arguments: [
        ("\"dtype\":\"BF16\"", "\"dtype\":\"I16\" ", "of type I16, expected F32, F16 or BF16"),
        ("[290,32]", "[32,290]", "is [32 × 290], expected [290 × 32]"),
        ("[32,64]", "[64,32]", "expected [32 × 64]"),
        ("[290,32]", "[9280]  ", "has the shape [9280], expected 2 dimensions"),
        ("model.norm.weight", "model.norm.wait  ", "model.norm.weight is missing"),
        ("\"dtype\":\"BF16\"", "\"dtype\":\"BF17\"", "safetensors.md R10"),
        ("[290,32]", "[290,33]", "safetensors.md R13"),
    ])
    func wrongTensorsAreNamed(old: String, new: String, words: String) throws {
        let copy = FolderCopy("qwen3")
        damage(copy, old, new)
        try expectRefusal(copy, [words])
    }

    @Test(arguments: [UInt16(0x7FC0), 0x7F80, 0xFF80]) func numbersMustBeFinite(bits: UInt16) throws {
        let copy = FolderCopy("qwen3")
        let file = try SafetensorsFile(path: "\(copy.path)/model.safetensors")
        for (name, index, place) in [
            ("model.layers.1.mlp.down_proj.weight", 20 * 64 + 7, "row 20, column 7"),
            ("model.norm.weight", 5, "row 0, column 5"),
        ] {
            let original = copy.bytes(of: "model.safetensors")
            var bytes = original
            let tensor = try #require(file.tensor(named: name))
            let offset = file.bytes(of: tensor).byteOffset + 2 * index
            bytes[offset] = UInt8(truncatingIfNeeded: bits)
            bytes[offset + 1] = UInt8(bits >> 8)
            copy.write(bytes, to: "model.safetensors")
            try expectRefusal(copy, ["\(name) is not finite at \(place)"])
            copy.write(original, to: "model.safetensors")
        }
    }
}
