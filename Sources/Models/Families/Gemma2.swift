// SPDX-License-Identifier: Apache-2.0
// Gemma 2 (arXiv 2408.00118): norms before and after each half of a layer, soft caps on attention scores and logits, embeddings
// times √hiddenSize, and sliding-window attention in every other layer, beginning with the first.

import Formats

enum Gemma2: ModelFamily {
    static let name = "gemma2"
    static let architectures = ["gemma2"]
    static let modelTypes = ["gemma2"]
    /// Folders store the gains minus 1.
    static let normOffsetInFolder: Float = 1

    /// The caps where a source says nothing.
    private static let usualScoreCap: Float = 50, usualLogitCap: Float = 30

    static func configuration(gguf parameters: GGUFParameters) throws -> ModelConfiguration {
        var configuration = try parameters.uniform(Self.self, meant: ["attn_logit_softcapping"])
        complete(
            &configuration,
            scoreCap: try parameters.optionalFloat("attn_logit_softcapping") ?? usualScoreCap)
        configuration.finalLogitSoftcap =
            try parameters.optionalFloat("final_logit_softcapping") ?? usualLogitCap
        // GGUF does not say so of the largest model.
        if configuration.layerCount == 46 { try parameters.scaleQueriesByWidth(in: &configuration) }
        let theta = configuration.rotaries[0].theta
        if let other = try parameters.optionalFloat("rope.freq_base_swa"), other != theta {
            throw parameters.refusal(
                "rope.freq_base_swa", "\(other)", expected: "\(theta), the base of the other layers")
        }
        _ = try parameters.setWindows(in: &configuration, usualStep: 2, usualSize: 4096)
        return configuration
    }

    static func configuration(folder parameters: HuggingFaceParameters) throws -> ModelConfiguration {
        let text = parameters.text
        var configuration = try parameters.uniform(
            Self.self, defaults: ["num_key_value_heads": 4, "head_dim": 256], activation: .geluTanh,
            isTied: true)
        complete(
            &configuration, scoreCap: try cap("attn_logit_softcapping", text, usual: usualScoreCap))
        configuration.finalLogitSoftcap = try cap("final_logit_softcapping", text, usual: usualLogitCap)
        try parameters.setQueryScalar(in: &configuration)
        let isSliding =
            try parameters.slidingLayers(layerCount: configuration.layerCount)
            ?? configuration.layers.indices.map { $0 % 2 == 0 }
        try parameters.refuseNullWindow(isSliding)
        try parameters.setWindows(isSliding, in: &configuration)
        return configuration
    }

    /// Null means no cap, and a missing member means the default.
    private static func cap(_ key: String, _ text: JSONSection, usual: Float) throws -> Float? {
        try text.optionalFloat(key) ?? (text.holds(key) ? nil : usual)
    }

    private static func complete(_ configuration: inout ModelConfiguration, scoreCap: Float?) {
        configuration.embeddingScale = Float(configuration.hiddenSize).squareRoot()
        configuration.forEachLayer {
            $0.attention?.softcap = scoreCap
            $0.feedForward.activation = .geluTanh
            $0.norms = .both
        }
    }
}

@section("tiller_families") @used
private let entry: ModelFamilies.Entry = { ModelFamilies.add(Gemma2.self, to: $0) }
