// SPDX-License-Identifier: Apache-2.0
// Qwen 3.5 and 3.6, dense, text: three of four layers have linear attention by the gated delta rule, the others attention whose
// heads' outputs are gated, with RoPE on a quarter of each head. Positions of text are equal in all three parts of its
// multimodal RoPE.

import Formats

enum Qwen3_5: ModelFamily {
    static let name = "qwen35"
    static let architectures = ["qwen35"]
    static let modelTypes = ["qwen3_5", "qwen3_5_text"]
    static let normOffsetInFolder: Float = 1

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(
            Self.self,
            meant: [
                "attention.recurrent_layers", "full_attention_interval", "rope.dimension_sections",
                "ssm.state_size",
            ], rotatesPartially: true)
        let (keyHeads, valueHeads) = (
            try parameters.integer("ssm.group_count", in: 1...1024),
            try parameters.integer("ssm.time_step_rank", in: 1...1024)
        )
        let rule = LayerPlan.DeltaRule(
            keyHeadCount: keyHeads, valueHeadCount: valueHeads,
            keyHeadSize: try parameters.integer("ssm.state_size"),
            valueHeadSize: try parameters.integer("ssm.inner_size") / valueHeads,
            convolutionWidth: try parameters.integer("ssm.conv_kernel"),
            // The converter sorts the value heads anew where they share key heads.
            cyclesKeyHeads: keyHeads != valueHeads)
        let layerCount = configuration.layerCount
        let interval = try parameters.optionalInteger("full_attention_interval", atLeast: 1) ?? 4
        let key = "attention.recurrent_layers"
        let isRecurrent =
            parameters.value(key)?.bools ?? (1...layerCount).map { $0 % interval != 0 }
        guard isRecurrent.count == layerCount else {
            throw parameters.refusal(
                key, "\(isRecurrent.count) elements", expected: "\(layerCount), one for each layer")
        }
        complete(&configuration, rule, isRecurrent: isRecurrent)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        if try text.optionalBool("attention_bias") == true {
            throw text.refusal("attention_bias", "true", expected: "false: nothing else is supported")
        }
        let defaults = ["head_dim": 256, "num_key_value_heads": 4]
        var configuration = try parameters.uniform(
            Self.self, defaults: defaults,
            rotary: parameters.rotary(
                headSize: parameters.headSize(defaults), rotatesPartially: true, usualPart: 0.25))
        let rule = LayerPlan.DeltaRule(
            keyHeadCount: try text.optionalInteger("linear_num_key_heads", in: 1...1024) ?? 16,
            valueHeadCount: try text.optionalInteger("linear_num_value_heads", in: 1...1024) ?? 32,
            keyHeadSize: try text.optionalInteger("linear_key_head_dim") ?? 128,
            valueHeadSize: try text.optionalInteger("linear_value_head_dim") ?? 128,
            convolutionWidth: try text.optionalInteger("linear_conv_kernel_dim") ?? 4, cyclesKeyHeads: false)
        let layerCount = configuration.layerCount
        let interval = try text.optionalInteger("full_attention_interval", atLeast: 1) ?? 4
        complete(
            &configuration, rule,
            isRecurrent: try parameters.layers(of: "linear_attention", layerCount: layerCount)
                ?? (1...layerCount).map { $0 % interval != 0 })
        return configuration
    }

    private static func complete(
        _ configuration: inout ModelConfiguration, _ rule: LayerPlan.DeltaRule, isRecurrent: [Bool]
    ) {
        for (layer, isRecurrent) in isRecurrent.enumerated() {
            configuration.layers[layer].attention?.queryKeyNorm = .perHead
            configuration.layers[layer].attention?.hasOutputGate = true
            if isRecurrent { configuration.layers[layer].mixer = .deltaRule(rule) }
        }
    }

    static func places(
        of role: TensorRole, layer: Int?, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> [TensorPlace] {
        let usual = usualPlace(of: role, in: format, configuration)
        switch (role, format) {
        case (.query, _), (.attentionGate, _):
            // Each head's query is followed by its gate.
            let size = configuration.headSize
            return (0..<configuration.headCount).map { head in
                let first = (2 * head + (role == .query ? 0 : 1)) * size
                return TensorPlace(usual.name, rows: first..<first + size)
            }
        case (.feedForwardNorm, .gguf): return [TensorPlace("post_attention_norm.weight")]
        case (.convolution, .gguf): return [TensorPlace("ssm_conv1d.weight")]
        case (.convolution, .folder): return [TensorPlace("linear_attn.conv1d.weight")]
        default: return [usual]
        }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Qwen3_5.self, to: $0) }
