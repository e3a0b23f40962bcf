// SPDX-License-Identifier: Apache-2.0
// Version 1.0 of the file described all layers at once, by members that hold for each of them. Configurations that these
// members can express are still written so: older programs can read them, and a model's file does not change.

import JSON

/// The members of version 1.0 that determine the layers' plans.
struct UniformLayers: Equatable {
    var layerCount: Int
    var ropeTheta: Float
    var ropeScaling: RotaryPlan.Scaling
    /// θ of layers with a sliding window, never scaled; nil if they use `ropeTheta` and `ropeScaling`.
    var localRopeTheta: Float?
    /// Tokens that a layer with a sliding window sees; nil if all layers see everything.
    var slidingWindow: Int?
    /// Every n-th layer (n, 2n, … counted from 1) sees everything; nil if all have the window.
    var slidingWindowPattern: Int?
    var attentionScale: Float
    var gateActivation: LayerPlan.FeedForward.Activation
    var hasQueryKeyNorm: Bool
    var hasAttentionBias: Bool
    var hasAttentionOutputBias: Bool
    var hasPostNorms: Bool

    func rotaries(headSize: Int) -> [RotaryPlan] {
        let first = RotaryPlan(theta: ropeTheta, scaling: ropeScaling, rotatedSize: headSize)
        return [first]
            + [localRopeTheta].compactMap(\.self).map { RotaryPlan(theta: $0, rotatedSize: headSize) }
    }

    var layers: [LayerPlan] {
        (0..<layerCount).map { layer in
            let isSliding = slidingWindow != nil && slidingWindowPattern.map { (layer + 1) % $0 != 0 } ?? true
            return LayerPlan(
                attention: .init(
                    scale: attentionScale, window: isSliding ? slidingWindow : nil,
                    rotary: isSliding && localRopeTheta != nil ? 1 : 0,
                    queryKeyNorm: hasQueryKeyNorm ? .perHead : nil,
                    hasBias: hasAttentionBias, hasOutputBias: hasAttentionOutputBias),
                feedForward: .init(activation: gateActivation), norms: hasPostNorms ? .both : .before)
        }
    }
}

extension UniformLayers {
    /// Returns nil if these members cannot express the layers.
    init?(_ configuration: ModelConfiguration) {
        guard let first = configuration.layers.first, let rotary = configuration.rotaries.first,
            configuration.rotaries.count <= 2, configuration.logitScale == 1
        else { return nil }
        let attentions = configuration.layers.compactMap(\.attention)
        guard attentions.count == configuration.layerCount, let attention = attentions.first else {
            return nil
        }
        let windows = attentions.map(\.window)
        let firstWithout = windows.firstIndex(of: nil)
        let window = windows.first { $0 != nil } ?? nil
        self.init(
            layerCount: configuration.layerCount, ropeTheta: rotary.theta, ropeScaling: rotary.scaling,
            localRopeTheta: configuration.rotaries.count == 2 ? configuration.rotaries[1].theta : nil,
            slidingWindow: window, slidingWindowPattern: window == nil ? nil : firstWithout.map { $0 + 1 },
            attentionScale: attention.scale, gateActivation: first.feedForward.activation,
            hasQueryKeyNorm: attention.queryKeyNorm == .perHead,
            hasAttentionBias: attention.hasBias,
            hasAttentionOutputBias: attention.hasOutputBias, hasPostNorms: first.norms == .both)
        if case .longRoPE = rotary.scaling { return nil }
        guard slidingWindowPattern != 1, slidingWindow != nil || localRopeTheta == nil,
            layers == configuration.layers,
            rotaries(headSize: configuration.headSize) == configuration.rotaries
        else { return nil }
    }

    /// Reads these members, in addition to those of every version.
    /// - Throws: `FormatError` R17, R18.
    init(_ fields: JSONFields) throws(FormatError) {
        typealias Limits = ModelConfiguration.Limits
        layerCount = try fields.integer("layerCount", in: Limits.counts)
        ropeTheta = try fields.float("ropeTheta", in: Limits.thetas)
        ropeScaling = try RotaryPlan.Scaling(fields.value("ropeScaling"), path: "configuration.ropeScaling")
        localRopeTheta = try fields.optionalFloat("localRopeTheta", in: Limits.thetas)
        slidingWindow = try fields.optionalInteger("slidingWindow", in: Limits.lengths)
        slidingWindowPattern = try fields.optionalInteger("slidingWindowPattern", in: 2...1024)
        attentionScale = try fields.float("attentionScale", in: Limits.factors)
        gateActivation = try fields.choice("gateActivation", LayerPlan.FeedForward.Activation.self)
        hasQueryKeyNorm = try fields.bool("hasQueryKeyNorm")
        hasAttentionBias = try fields.bool("hasAttentionBias")
        hasAttentionOutputBias = try fields.bool("hasAttentionOutputBias")
        hasPostNorms = try fields.bool("hasPostNorms")
        guard slidingWindow != nil || (slidingWindowPattern == nil && localRopeTheta == nil) else {
            throw FormatError(
                .tillerConfigurationRange,
                found: "slidingWindowPattern or localRopeTheta without slidingWindow",
                expected: "both only with a sliding window")
        }
    }

    /// The configuration in the members of version 1.0, in their order.
    func json(of model: ModelConfiguration) -> JSON {
        [
            "family": .string(model.family), "vocabularySize": .integer(model.vocabularySize),
            "hiddenSize": .integer(model.hiddenSize), "intermediateSize": .integer(model.intermediateSize),
            "layerCount": .integer(layerCount), "headCount": .integer(model.headCount),
            "keyValueHeadCount": .integer(model.keyValueHeadCount), "headSize": .integer(model.headSize),
            "contextLength": .integer(model.contextLength), "rmsNormEpsilon": .float(model.rmsNormEpsilon),
            "ropeTheta": .float(ropeTheta), "ropeScaling": ropeScaling.json,
            "localRopeTheta": .float(localRopeTheta), "slidingWindow": .integer(slidingWindow),
            "slidingWindowPattern": .integer(slidingWindowPattern),
            "embeddingScale": .float(model.embeddingScale), "attentionScale": .float(attentionScale),
            "gateActivation": .string(gateActivation.rawValue),
            "hasTiedEmbeddings": .bool(model.hasTiedEmbeddings), "hasQueryKeyNorm": .bool(hasQueryKeyNorm),
            "hasAttentionBias": .bool(hasAttentionBias),
            "hasAttentionOutputBias": .bool(hasAttentionOutputBias), "hasPostNorms": .bool(hasPostNorms),
            "finalLogitSoftcap": .float(model.finalLogitSoftcap),
        ]
    }
}
