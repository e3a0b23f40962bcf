// SPDX-License-Identifier: Apache-2.0
// Granite 3 and 4, dense: a Llama with four scalars, on embeddings, attention scores, residual updates and logits. Granite 4
// folders use the layout of its hybrids: they may state that all layers are attention layers, and store gate and up in one
// matrix.

import Formats

enum Granite: ModelFamily {
    static let name = "granite"
    static let architectures = ["granite"]
    static let modelTypes = ["granite"]
    static let interleavesHeadsInGGUF = true

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(
            Self.self,
            meant: ["attention.scale", "embedding_scale", "residual_scale", "logit_scale", "ssm.state_size"])
        // The converter for hybrids writes this for their dense models (NoPE), too.
        if parameters.metadata["\(parameters.name).rope.scaling.finetuned"]?.bool == false {
            configuration.forEachLayer { $0.attention.rotary = nil }
        }
        try setScalars(
            in: &configuration, embedding: parameters.factor("embedding_scale"),
            attention: parameters.optionalFloat("attention.scale").flatMap { $0 == 0 ? nil : $0 },
            residual: parameters.factor("residual_scale"), logits: parameters.factor("logit_scale"))
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self)
        try parameters.requireLayerTypes("full_attention")
        try setScalars(in: &configuration, parameters.text)
        return configuration
    }

    fileprivate static func setScalars(in configuration: inout ModelConfiguration, _ text: JSONSection) throws
    {
        try setScalars(
            in: &configuration, embedding: text.optionalFloat("embedding_multiplier") ?? 1,
            attention: text.optionalFloat("attention_multiplier") ?? 1,
            residual: text.optionalFloat("residual_multiplier") ?? 1,
            logits: text.optionalFloat("logits_scaling") ?? 1)
    }

    /// - Parameter logits: the divisor of the logits.
    private static func setScalars(
        in configuration: inout ModelConfiguration, embedding: Float, attention: Float?, residual: Float,
        logits: Float
    ) {
        configuration.embeddingScale = embedding
        configuration.logitScale = 1 / logits
        configuration.forEachLayer {
            $0.attention.scale = attention ?? $0.attention.scale
            $0.residualScale = residual
        }
    }
}

/// A Granite 4 hybrid in which every layer is an attention layer.
enum Granite4: ModelFamily {
    static let name = Granite.name
    static let architectures: [String] = []
    static let modelTypes = ["granitemoehybrid"]

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        try Granite.configuration(gguf: parameters)
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        if let experts = try text.optionalInteger("num_local_experts"), experts != 0 {
            throw text.refusal("num_local_experts", "\(experts)", expected: "0: mixtures are not supported")
        }
        let kinds = try text.array("layer_types").map { $0.stringValue ?? $0.kindName }
        if let other = kinds.first(where: { $0 != "attention" && $0 != "full_attention" }) {
            throw text.refusal("layer_types", "'\(other)' in a layer", expected: "'attention' in every layer")
        }
        var configuration = try parameters.uniform(Self.self)
        configuration.intermediateSize = try text.integer("shared_intermediate_size")
        if try text.optionalString("position_embedding_type") != "rope" {
            configuration.forEachLayer { $0.attention.rotary = nil }
        }
        try Granite.setScalars(in: &configuration, text)
        return configuration
    }

    static func place(
        of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> TensorPlace {
        let size = configuration.intermediateSize
        return switch role {
        case .gate: TensorPlace("shared_mlp.input_linear.weight", rows: 0..<size)
        case .up: TensorPlace("shared_mlp.input_linear.weight", rows: size..<2 * size)
        case .down: TensorPlace("shared_mlp.output_linear.weight")
        default: usualPlace(of: role, in: format, configuration)
        }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = {
    ModelFamilies.add(Granite.self, to: $0)
    ModelFamilies.add(Granite4.self, to: $0)
}
