// SPDX-License-Identifier: Apache-2.0
// Maps the tensors of a source to those of the model: one table of the names that most families share.

import Formats

/// Where a source stores a tensor.
package struct TensorPlace: Sendable, Equatable {
    /// The tensor's name; for a layer's tensor without the layer's prefix.
    package var name: String
    /// The rows of this tensor, where several are stored as one; nil for all.
    package var rows: Range<Int>?

    package init(_ name: String, rows: Range<Int>? = nil) {
        self.name = name
        self.rows = rows
    }

    /// The name including the layer's prefix.
    package func fullName(layer: Int?, in format: SourceFormat) -> String {
        guard let layer else { return name }
        switch format {
        case .gguf: return "blk.\(layer).\(name)"
        case .folder: return "layers.\(layer).\(name)"
        }
    }
}

/// The place of a role in most families.
package func usualPlace(
    of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
) -> TensorPlace {
    let isLongRoPE = if case .longRoPE = configuration.rotaries.first?.scaling { true } else { false }
    let (gguf, folder) =
        switch role {
        case .tokenEmbedding: ("token_embd.weight", "embed_tokens.weight")
        case .outputNorm: ("output_norm.weight", "norm.weight")
        case .output: ("output.weight", "lm_head.weight")
        // A folder has them in config.json.
        case .ropeFactors: (isLongRoPE ? "rope_factors_short.weight" : "rope_freqs.weight", "")
        case .ropeLongFactors: ("rope_factors_long.weight", "")
        case .attentionNorm: ("attn_norm.weight", "input_layernorm.weight")
        case .query: ("attn_q.weight", "self_attn.q_proj.weight")
        case .key: ("attn_k.weight", "self_attn.k_proj.weight")
        case .value: ("attn_v.weight", "self_attn.v_proj.weight")
        case .queryBias: ("attn_q.bias", "self_attn.q_proj.bias")
        case .keyBias: ("attn_k.bias", "self_attn.k_proj.bias")
        case .valueBias: ("attn_v.bias", "self_attn.v_proj.bias")
        case .attentionOutput: ("attn_output.weight", "self_attn.o_proj.weight")
        case .attentionOutputBias: ("attn_output.bias", "self_attn.o_proj.bias")
        case .queryNorm: ("attn_q_norm.weight", "self_attn.q_norm.weight")
        case .keyNorm: ("attn_k_norm.weight", "self_attn.k_norm.weight")
        case .postAttentionNorm: ("post_attention_norm.weight", "post_attention_layernorm.weight")
        case .feedForwardNorm:
            // A folder has the usual name for the norm after attention, if there are both.
            (
                "ffn_norm.weight",
                configuration.layers.first?.norms == .both
                    ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight"
            )
        case .gate: ("ffn_gate.weight", "mlp.gate_proj.weight")
        case .up: ("ffn_up.weight", "mlp.up_proj.weight")
        case .down: ("ffn_down.weight", "mlp.down_proj.weight")
        case .router: ("ffn_gate_inp.weight", "mlp.gate.weight")
        case .convolutionInput: ("shortconv.in_proj.weight", "conv.in_proj.weight")
        case .convolution: ("shortconv.conv.weight", "conv.conv.weight")
        case .convolutionOutput: ("shortconv.out_proj.weight", "conv.out_proj.weight")
        case .attentionGate: ("attn_q.weight", "self_attn.q_proj.weight")
        case .deltaInput: ("attn_qkv.weight", "linear_attn.in_proj_qkv.weight")
        case .deltaGate: ("attn_gate.weight", "linear_attn.in_proj_z.weight")
        case .deltaBeta: ("ssm_beta.weight", "linear_attn.in_proj_b.weight")
        case .deltaDecay: ("ssm_alpha.weight", "linear_attn.in_proj_a.weight")
        case .deltaDecayBias: ("ssm_dt.bias", "linear_attn.dt_bias")
        case .deltaDecayRate: ("ssm_a", "linear_attn.A_log")
        case .deltaNorm: ("ssm_norm.weight", "linear_attn.norm.weight")
        case .deltaOutput: ("ssm_out.weight", "linear_attn.out_proj.weight")
        case .postFeedForwardNorm: ("post_ffw_norm.weight", "post_feedforward_layernorm.weight")
        }
    return TensorPlace(format == .gguf ? gguf : folder)
}

/// The places of a mixture's matrix in most families: a GGUF stacks all experts, a folder has them one by one.
///
/// - Parameter role: gate, up or down.
package func usualExpertPlaces(
    of role: TensorRole, in format: SourceFormat, expertCount: Int
) -> [TensorPlace] {
    let (gguf, folder) =
        switch role {
        case .gate: ("ffn_gate_exps.weight", "gate_proj.weight")
        case .up: ("ffn_up_exps.weight", "up_proj.weight")
        default: ("ffn_down_exps.weight", "down_proj.weight")
        }
    return format == .gguf
        ? [TensorPlace(gguf)] : (0..<expertCount).map { TensorPlace("mlp.experts.\($0).\(folder)") }
}

extension ModelFamily {
    /// In several places if the tensor belongs to all experts of a mixture.
    package static func places(
        of role: TensorRole, layer: Int?, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> [TensorPlace] {
        if [.gate, .up, .down].contains(role), let layer,
            let experts = configuration.layers[layer].feedForward.experts
        {
            return expertPlaces(of: role, in: format, experts)
        }
        return [place(of: role, in: format, configuration)]
    }
}

extension TensorRole {
    /// The order in which a layer's tensors are written.
    private static let order: [TensorRole] = [
        .attentionNorm, .query, .key, .value, .attentionOutput, .convolutionInput, .convolution,
        .convolutionOutput, .attentionGate, .deltaInput, .deltaGate, .deltaBeta, .deltaDecay, .deltaDecayBias,
        .deltaDecayRate,
        .deltaNorm, .deltaOutput, .feedForwardNorm, .router, .gate, .up,
        .down, .queryBias, .keyBias, .valueBias, .attentionOutputBias, .queryNorm, .keyNorm,
        .postAttentionNorm,
        .postFeedForwardNorm,
    ]

    /// The tensors of a model's file, in the order in which they are written.
    package static func written(for model: ModelConfiguration) -> [(role: TensorRole, layer: Int?)] {
        let layers = (0..<model.layerCount).flatMap { layer in
            order.filter { $0.shape(in: model, layer: layer) != nil }.map { ($0, layer as Int?) }
        }
        let last: [TensorRole] = [.outputNorm, .output, .ropeFactors, .ropeLongFactors]
        return [(.tokenEmbedding, nil)] + layers
            + last.filter { $0.shape(in: model, layer: nil) != nil }.map { ($0, nil) }
    }
}
