// SPDX-License-Identifier: Apache-2.0
// Hunyuan, dense (github.com/Tencent-Hunyuan): a norm on each head's query and key after RoPE. RoPE's base is multiplied by a power
// of a fixed alpha (NTK-aware scaling), which folders call dynamic.

import Formats
import Glibc

enum Hunyuan: ModelFamily {
    static let name = "hunyuan"
    static let architectures = ["hunyuan-dense"]
    static let modelTypes = ["hunyuan_v1_dense"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        // The converter multiplies the base.
        var configuration = try parameters.uniform(Self.self)
        complete(&configuration)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(
            Self.self, epsilon: 1e-5, rotary: rotary(parameters, headSize: parameters.headSize()))
        complete(&configuration)
        return configuration
    }

    private static func complete(_ configuration: inout ModelConfiguration) {
        configuration.forEachLayer {
            $0.attention?.queryKeyNorm = .perHead
            $0.attention?.normFollowsRotary = true
        }
    }

    /// theta · alpha^(headSize / (headSize − 2)) where the type is dynamic.
    private static func rotary(_ parameters: HuggingFaceParameters, headSize: Int) throws -> RotaryPlan {
        let text = parameters.text
        guard let rope = try parameters.rotaryParameters(),
            let kind = try parameters.rotaryKind(rope), kind == "dynamic"
        else { return try parameters.rotary(headSize: headSize) }
        guard let alpha = try rope.optionalFloat("alpha"), alpha > 0 else {
            throw rope.refusal(
                "rope_type", "'\(kind)' without alpha", expected: "alpha, a number above 0, for a fixed base")
        }
        guard headSize > 2 else {
            throw text.refusal("head_dim", "\(headSize)", expected: "more than 2 with a rope_type '\(kind)'")
        }
        try parameters.refusePartialRotation(text)
        try parameters.refusePartialRotation(rope)
        let theta = try rope.optionalFloat("rope_theta") ?? text.optionalFloat("rope_theta") ?? 10_000
        let factor = pow(Double(alpha), Double(headSize) / Double(headSize - 2))
        return RotaryPlan(theta: Float(Double(theta) * factor), rotatedSize: headSize)
    }

    static func place(
        of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> TensorPlace {
        switch (format, role) {
        case (.folder, .queryNorm): TensorPlace("self_attn.query_layernorm.weight")
        case (.folder, .keyNorm): TensorPlace("self_attn.key_layernorm.weight")
        default: usualPlace(of: role, in: format, configuration)
        }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Hunyuan.self, to: $0) }
