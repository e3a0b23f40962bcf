// SPDX-License-Identifier: Apache-2.0
// GGUF keys that have a meaning in some llama.cpp architecture and would change the models read here. A writer may store them
// with the value that changes nothing; every other value is refused by name (formats/gguf.md §8).

import Formats

/// The values of keys that do not affect the logits.
package enum GGUFNeutralKeys {
    /// Scales and counts for which 0 means absent, and other neutral values.
    package static let values: [String: [Double]] = [
        // Attention
        "attention.scale": [0], "attention.output_scale": [0, 1], "attention.value_scale": [0, 1],
        "attention.temperature_length": [0], "attention.temperature_scale": [0],
        "attention.max_alibi_bias": [0], "attention.clamp_kqv": [0], "attn_logit_softcapping": [0],
        "attention.q_lora_rank": [0], "attention.kv_lora_rank": [0], "attention.shared_kv_layers": [0],
        "attention.recurrent_layers": [0], "attention.rope_pattern": [1], "full_attention_interval": [0, 1],
        "attention.indexer.head_count": [0], "attention.output_group_count": [0],
        // RoPE
        "rope.scaling.alpha": [0], "rope.scaling.yarn_log_multiplier": [0],
        "rope.scaling.yarn_ext_factor": [-1, 1], "rope.scaling.yarn_attn_factor": [1],
        "rope.scaling.yarn_beta_fast": [32], "rope.scaling.yarn_beta_slow": [1],
        "rope.dimension_sections": [0],
        // The residual stream, layers and head
        "embedding_scale": [0, 1], "residual_scale": [0, 1], "logit_scale": [0, 1],
        // Mixtures of experts: a softmax over all experts, each with the same standing
        "expert_shared_count": [0],
        "expert_chunk_feed_forward_length": [0], "expert_group_count": [0, 1],
        "expert_group_used_count": [0, 1], "expert_weights_scale": [0, 1], "expert_gating_func": [0, 1],
        "experts_per_group": [0, 1], "moe_every_n_layers": [0, 1], "moe_latent_size": [0],
        "router_logit_softcapping": [0], "swiglu_clamp_exp": [0], "swiglu_clamp_shexp": [0],
        "use_parallel_residual": [0], "swin_norm": [0], "nextn_predict_layers": [0],
        "leading_dense_block_count": [0], "interleave_moe_layer_step": [0], "num_loops": [0, 1],
        "hash_layer_count": [0], "hyper_connection.count": [0, 1], "embedding_length_per_layer_input": [0],
        "n_deepstack_layers": [0], "adapters.count": [0], "ssm.state_size": [0], "decoder_block_count": [0],
    ]

    /// - Parameter meant: keys that have a meaning in the file's family.
    /// - Throws: `ConversionError` that names the first key with another value.
    static func check(_ metadata: GGUFMetadata, architecture: String, except meant: Set<String>) throws {
        for name in values.keys.sorted() where !meant.contains(name) {
            guard let value = metadata["\(architecture).\(name)"], let allowed = values[name] else {
                continue
            }
            let numbers = value.numbers
            guard let numbers, numbers.allSatisfy(allowed.contains) else {
                let found = numbers?.map { "\($0)" }.joined(separator: ", ") ?? "no number"
                let expected = allowed.map { "\(Int($0))" }.joined(separator: " or ")
                throw ConversionError(
                    "\(architecture).\(name) is \(found), expected \(expected): nothing else is supported")
            }
        }
    }
}

extension GGUFValue {
    /// A number, a Boolean as 0 or 1, or an array of them; nil for anything else.
    fileprivate var numbers: [Double]? {
        if let bool { return [bool ? 1 : 0] }
        if let float { return [float] }
        return floats?.map { Double($0) }
    }
}
