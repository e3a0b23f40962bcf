// SPDX-License-Identifier: Apache-2.0
// Granite 3 and 4: a Llama with four scalars, on embeddings, attention scores, residual updates and logits. Granite 4
// folders use the layout of its hybrids: they may state that all layers are attention layers, and store gate and up in one
// matrix. Granite 3's mixtures of experts have the same scalars.

import Formats

enum Granite: ModelFamily {
    static let name = "granite"
    static let architectures = ["granite"]
    static let modelTypes = ["granite"]
    static let interleavesHeadsInGGUF = true

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        try configuration(gguf: parameters, Self.self)
    }

    fileprivate static func configuration(
        gguf parameters: GGUFParameters, _ family: any ModelFamily.Type, meant: Set<String> = []
    ) throws -> ModelConfiguration {
        let scalars = ["attention.scale", "embedding_scale", "residual_scale", "logit_scale"]
        var configuration = try parameters.uniform(
            family, meant: meant.union(scalars + ["ssm.state_size"]))
        // The converter for hybrids writes this for their dense models (NoPE), too.
        if parameters.metadata["\(parameters.name).rope.scaling.finetuned"]?.bool == false {
            configuration.forEachLayer { $0.attention?.rotary = nil }
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
            if let attention { $0.attention?.scale = attention }
            $0.residualScale = residual
        }
    }
}

/// Granite 3 with mixtures of experts. A folder stacks the experts, each with gate and up in one matrix.
enum GraniteMoE: ModelFamily {
    static let name = "granitemoe"
    static let architectures = ["granitemoe"]
    static let modelTypes = ["granitemoe"]
    static let interleavesHeadsInGGUF = true

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try Granite.configuration(
            gguf: parameters, Self.self, meant: ["expert_count"])
        let experts = try parameters.experts(sizeKey: "feed_forward_length", normalizesWeights: true)
        configuration.forEachLayer { $0.feedForward.experts = experts }
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self)
        try Granite.setScalars(in: &configuration, parameters.text)
        let experts = try parameters.experts(
            countKeys: ["num_local_experts"], sizeKey: "intermediate_size",
            defaults: ["num_local_experts": 8, "num_experts_per_tok": 2], normalizesWeights: true)
        configuration.forEachLayer { $0.feedForward.experts = experts }
        return configuration
    }

    static func place(
        of role: TensorRole, in format: SourceFormat, _ configuration: ModelConfiguration
    ) -> TensorPlace {
        role == .router && format == .folder
            ? TensorPlace("block_sparse_moe.router.layer.weight")
            : usualPlace(of: role, in: format, configuration)
    }

    static func expertPlaces(
        of role: TensorRole, in format: SourceFormat, _ experts: LayerPlan.FeedForward.Experts
    ) -> [TensorPlace] {
        guard format == .folder else {
            return usualExpertPlaces(of: role, in: format, expertCount: experts.count)
        }
        guard role != .down else { return [TensorPlace("block_sparse_moe.output_linear.weight")] }
        let size = experts.intermediateSize
        return (0..<experts.count).map { expert in
            let first = (2 * expert + (role == .up ? 1 : 0)) * size
            return TensorPlace("block_sparse_moe.input_linear.weight", rows: first..<first + size)
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
            configuration.forEachLayer { $0.attention?.rotary = nil }
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
    ModelFamilies.add(GraniteMoE.self, to: $0)
    ModelFamilies.add(Granite4.self, to: $0)
}
