// SPDX-License-Identifier: Apache-2.0
// What families read from their settings that their golden models do not say: defaults, older notations, and what is refused by
// name.

import Conversion
import Formats
import Models
import TestSupport
import Testing

@Suite struct FamilyConfigurationTests {
    @Test func capsAndWindowsAreThoseOfTheirLayers() throws {
        let gemma = try folderConfiguration("gemma2")
        #expect(gemma.layers.map { $0.attention?.window } == [8, nil, 8])
        #expect(gemma.layers.allSatisfy { $0.attention?.softcap == 3 && $0.norms == .both })
        #expect(gemma.finalLogitSoftcap == 7 && gemma.embeddingScale == 8)
        let scaled = try folderConfiguration(
            "gemma2", [("\"query_pre_attn_scalar\": 24", "\"query_pre_attn_scalar\": 144")])
        #expect(scaled.layers.allSatisfy { $0.attention?.scale == 1 / 12 })
        let plain = try folderConfiguration(
            "gemma2",
            [
                ("\"attn_logit_softcapping\": 3.0", "\"attn_logit_softcapping\": null"),
                ("\"final_logit_softcapping\": 7.0", "\"final_logit_softcapping\": null"),
            ])
        #expect(plain.layers.allSatisfy { $0.attention?.softcap == nil } && plain.finalLogitSoftcap == nil)
        let usual = try folderConfiguration(
            "gemma2",
            [
                ("\"attn_logit_softcapping\"", "\"unused\""), ("\"final_logit_softcapping\"", "\"unread\""),
                ("\"layer_types\":", "\"types\":"), ("\"sliding_window\": 8", "\"unseen\": 8"),
            ])
        #expect(usual.layers.allSatisfy { $0.attention?.softcap == 50 } && usual.finalLogitSoftcap == 30)
        #expect(usual.layers.map { $0.attention?.window } == [4096, nil, 4096])
    }

    @Test func alphaStretchesTheBase() throws {
        let hunyuan = try folderConfiguration("hunyuan")
        #expect(abs(hunyuan.rotaries[0].theta - 713_545.75) < 0.1 && hunyuan.rotaries[0].scaling == .none)
        #expect(
            hunyuan.layers.allSatisfy {
                $0.attention?.normFollowsRotary == true && $0.attention?.queryKeyNorm == .perHead
            })
        let plain = try folderConfiguration(
            "hunyuan", [("\"rope_type\": \"dynamic\"", "\"rope_type\": \"default\"")])
        #expect(plain.rotaries[0].theta == 10_000)
        // As published models write it.
        let old = try folderConfiguration(
            "hunyuan",
            [
                ("\"rope_parameters\":", "\"rope_theta\": 10000.0, \"rope_scaling\":"),
                ("\"rope_theta\": 10000.0,\n", "\n"), ("\"rope_type\"", "\"type\""),
            ])
        #expect(old == hunyuan)
    }

    @Test func queriesGrowWithThePosition() throws {
        let ministral = try folderConfiguration("ministral3")
        #expect(ministral.layers.allSatisfy { $0.attention?.temperature == .init(factor: 0.3, length: 16) })
        let still = try folderConfiguration(
            "ministral3", [("\"llama_4_scaling_beta\": 0.3", "\"llama_4_scaling_beta\": 0")])
        #expect(still.layers.allSatisfy { $0.attention?.temperature == nil && $0.attention?.window == nil })
        let usual = try folderConfiguration(
            "ministral3",
            [("\"rope_parameters\":", "\"unused\":"), ("\"sliding_window\": null", "\"sliding_window\": 8")])
        #expect(
            usual.layers.allSatisfy {
                $0.attention?.temperature == .init(factor: 0.1, length: 16_384) && $0.attention?.window == 8
            })
        #expect(usual.rotaries[0].theta == 1_000_000)
    }

    /// The language model's part of a model that sees images.
    @Test func theTextPartOfAModelWithImagesIsTheSame() throws {
        let copy = FolderCopy("ministral3")
        let text = copy.text(of: "config.json")
        copy.write(
            Array(
                """
                {"model_type": "mistral3", "tie_word_embeddings": false, "vision_config": {"model_type": "pixtral"},
                "text_config": \(text)}
                """.utf8), to: "config.json")
        #expect(try ModelSource(path: copy.path).configuration == folderConfiguration("ministral3"))
    }

    @Test func scalarsHaveDefaults() throws {
        let minicpm = try folderConfiguration("minicpm")
        #expect(minicpm.embeddingScale == 6 && abs(minicpm.logitScale - 24.0 / 64) < 1e-7)
        #expect(minicpm.layers.allSatisfy { abs($0.residualScale - 0.635_085_3) < 1e-6 })
        #expect(minicpm.rotaries[0].scaling == .longRoPE(originalContextLength: 64, attentionFactor: 1))
        let plain = try folderConfiguration(
            "minicpm",
            [("\"scale_emb\"", "\"a\""), ("\"scale_depth\"", "\"b\""), ("\"dim_model_base\"", "\"c\"")])
        #expect(plain.embeddingScale == 1 && plain.logitScale == 1.0 / 64)
        let ernie = try folderConfiguration("ernie4_5", [("\"rope_parameters\":", "\"unused\":")])
        #expect(ernie.rotaries[0].theta == 500_000 && ernie.hasTiedEmbeddings)
    }

    /// The configuration of a folder's GGUF without one key, which gets a name that nobody asks for.
    private func configuration(ofGGUF name: String, without key: String) throws -> ModelConfiguration {
        let copy = FolderCopy(name)
        var bytes = copy.bytes(of: "model.gguf")
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: key.utf8) })
        bytes[start + key.utf8.count - 1] = UInt8(ascii: "~")
        copy.write(bytes, to: "model.gguf")
        return try ModelSource(path: "\(copy.path)/model.gguf").configuration
    }

    @Test func keysHaveDefaults() throws {
        let cap = try configuration(ofGGUF: "gemma2", without: "gemma2.attn_logit_softcapping")
        #expect(cap.layers.allSatisfy { $0.attention?.softcap == 50 } && cap.finalLogitSoftcap == 7)
        let last = try configuration(ofGGUF: "gemma2", without: "gemma2.final_logit_softcapping")
        #expect(last.layers.allSatisfy { $0.attention?.softcap == 3 } && last.finalLogitSoftcap == 30)
        let window = try configuration(ofGGUF: "gemma2", without: "gemma2.attention.sliding_window")
        #expect(window.layers.map { $0.attention?.window } == [4096, nil, 4096])
        let still = try configuration(ofGGUF: "ministral3", without: "mistral3.attention.temperature_scale")
        #expect(still.layers.allSatisfy { $0.attention?.temperature == nil })
        let yarn = try configuration(
            ofGGUF: "ministral3", without: "mistral3.rope.scaling.yarn_log_multiplier")
        #expect(
            yarn.rotaries[0].scaling
                == .yarn(
                    factor: 4, originalContextLength: 16, betaFast: 1.5, betaSlow: 0.5, attentionFactor: nil))
    }

    /// Programs differ in what they take for scalars that old files leave out.
    @Test(arguments: ["embedding_scale", "residual_scale", "logit_scale"])
    func scalarsOfAGGUFAreNeeded(key: String) throws {
        let error = try #require(throws: ConversionError.self) {
            try configuration(ofGGUF: "minicpm", without: "minicpm.\(key)")
        }
        #expect("\(error)".contains("minicpm.\(key) is missing"), "\(error)")
    }

    /// A change of `config.json`, and what the error says.
    static let refused: [(name: String, old: String, new: String, words: String)] = [
        ("ernie4_5", "\"use_bias\": false", "\"use_bias\": true", "use_bias is true"),
        ("ernie4_5", "\"head_dim\": 20", "\"head_dim\": null", "expected [64 × 64]"),
        ("ernie4_5", "\"head_dim\": 20", "\"unused\": 20", "expected [512 × 64]"),
        ("minicpm", "\"scale_emb\": 6.0", "\"scale_emb\": \"6\"", "scale_emb is a string"),
        ("minicpm", "\"dim_model_base\": 24", "\"dim_model_base\": 0", "logitScale"),
        (
            "minicpm", "\"scale_emb\"", "\"sparse_config\": {\"topk\": 64}, \"scale_emb\"",
            "sparse_config is an object"
        ),
        ("minicpm", "\"scale_emb\"", "\"num_experts\": 8, \"scale_emb\"", "num_experts is 8"),
        (
            "minicpm", "\"max_position_embeddings\": 64", "\"max_position_embeddings\": 128",
            "max_position_embeddings is 128, expected 64"
        ),
        (
            "minicpm", "\"rope_type\": \"longrope\"",
            "\"rope_type\": \"longrope\", \"attention_factor\": 1.2",
            "max_position_embeddings is 64, expected 64, as original_max_position_embeddings, without other"
        ),
        ("minicpm", "\"rope_type\": \"longrope\"", "\"rope_type\": \"dynamic\"", "rope_type is 'dynamic'"),
        (
            "minicpm", "\"model_type\": \"minicpm\"", "\"model_type\": \"minicpm3\"",
            "model_type is 'minicpm3'"
        ),
        ("hunyuan", "\"alpha\": 50.0", "\"beta\": 50.0", "rope_type is 'dynamic' without alpha"),
        ("hunyuan", "\"alpha\": 50.0", "\"alpha\": -50.0", "rope_type is 'dynamic' without alpha"),
        ("hunyuan", "\"alpha\": 50.0", "\"alpha\": 1e30", "theta"),
        ("hunyuan", "\"head_dim\": 24", "\"head_dim\": 2", "head_dim is 2"),
        ("ministral3", "\"llama_4_scaling_beta\"", "\"beta\"", "llama_4_scaling_beta is missing"),
        ("ministral3", "\"llama_4_scaling_beta\": 0.3", "\"llama_4_scaling_beta\": -1", "temperature.factor"),
        (
            "ministral3", "\"original_max_position_embeddings\": 16",
            "\"original_max_position_embeddings\": 0",
            "originalContextLength"
        ),
        (
            "gemma2", "\"attn_logit_softcapping\": 3.0", "\"attn_logit_softcapping\": 0",
            "attention.softcap"
        ),
        ("gemma2", "\"sliding_window\": 8", "\"sliding_window\": null", "sliding_window is null"),
        (
            "gemma2", "\"query_pre_attn_scalar\": 24", "\"query_pre_attn_scalar\": 0",
            "query_pre_attn_scalar is 0"
        ),
        (
            "gemma2", "\"hidden_activation\": \"gelu_pytorch_tanh\"", "\"hidden_activation\": \"gelu\"",
            "hidden_activation is 'gelu'"
        ),
        ("lfm2", "\"conv_bias\": false", "\"conv_bias\": true", "conv_bias is true"),
        ("lfm2", "\"conv\"", "\"sliding_attention\"", "full_attention or conv for each of 4 layers"),
        (
            "lfm2", "\"block_auto_adjust_ff_dim\": false,\n  \"block_ffn_dim_multiplier\": 1.0",
            "\"block_ffn_dim_multiplier\": 1e30", "block_ffn_dim_multiplier is 1e+30"
        ),
        (
            "lfm2",
            "\"block_auto_adjust_ff_dim\": false,\n  \"block_ffn_dim_multiplier\": 1.0,\n  \"block_multiple_of\": 256",
            "\"block_multiple_of\": 9223372036854775807", "block_multiple_of is 9223372036854775807"
        ),
        ("qwen35", "\"attention_bias\": false", "\"attention_bias\": true", "attention_bias is true"),
        (
            "qwen35", "\"full_attention\"", "\"sliding_attention\"",
            "full_attention or linear_attention for each of 3 layers"
        ),
        (
            "qwen35", "\"linear_num_value_heads\": 4", "\"linear_num_value_heads\": 3",
            "a multiple of the key heads"
        ),
        ("olmoe", "\"clip_qkv\": null", "\"clip_qkv\": 8.0", "clip_qkv is 8"),
        ("olmoe", "\"num_experts_per_tok\": 3", "\"num_experts_per_tok\": 6", "at most as many as there are"),
        ("qwen3moe", "\"moe_intermediate_size\": 32", "\"moe_intermediate_size\": 33", "multiples of 16"),
    ]

    @Test(arguments: refused.indices) func whatWouldComputeSomethingElseIsNamed(index: Int) throws {
        let (name, old, new, words) = Self.refused[index]
        let error = try #require(throws: (any Error).self) { try folderConfiguration(name, [(old, new)]) }
        #expect("\(error)".contains(words), "\(error)")
    }
}
