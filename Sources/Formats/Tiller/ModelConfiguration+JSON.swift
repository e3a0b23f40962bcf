// SPDX-License-Identifier: Apache-2.0
// A model's configuration as JSON in the manifest (formats/tiller.md §3.5): every number has a stated
// range, so that sizes computed from them cannot overflow; an unknown member is refused, because a
// reader that skipped it would compute another model.

import JSON

extension ModelConfiguration {
    // Limits of formats/tiller.md §5.
    private static let sizes = 1...65_536
    private static let counts = 1...1024
    private static let lengths = 1...(1 << 24)
    private static let factors: ClosedRange<Float> = 1e-6...1e6
    private static let thetas: ClosedRange<Float> = 1...1e12

    /// Reads and checks a configuration.
    ///
    /// - Throws: `FormatError` R17 for members that are missing, unknown or of the wrong type, R18 for values
    ///   out of range or that contradict each other.
    package init(_ json: JSON?) throws(FormatError) {
        var fields = try JSONFields(
            json, path: "configuration", rule: .tillerConfigurationField, rangeRule: .tillerConfigurationRange
        )
        family = try fields.choice("family", Family.self)
        vocabularySize = try fields.integer("vocabularySize", in: 1...1_048_576)
        hiddenSize = try fields.integer("hiddenSize", in: Self.sizes)
        intermediateSize = try fields.integer("intermediateSize", in: 1...1_048_576)
        layerCount = try fields.integer("layerCount", in: Self.counts)
        headCount = try fields.integer("headCount", in: Self.counts)
        keyValueHeadCount = try fields.integer("keyValueHeadCount", in: Self.counts)
        headSize = try fields.integer("headSize", in: Self.counts)
        contextLength = try fields.integer("contextLength", in: Self.lengths)
        rmsNormEpsilon = try fields.float("rmsNormEpsilon", in: 1e-12...0.1)
        ropeTheta = try fields.float("ropeTheta", in: Self.thetas)
        ropeScaling = try Self.ropeScaling(fields.value("ropeScaling"))
        localRopeTheta = try fields.optionalFloat("localRopeTheta", in: Self.thetas)
        slidingWindow = try fields.optionalInteger("slidingWindow", in: Self.lengths)
        slidingWindowPattern = try fields.optionalInteger("slidingWindowPattern", in: 2...1024)
        embeddingScale = try fields.float("embeddingScale", in: Self.factors)
        attentionScale = try fields.float("attentionScale", in: Self.factors)
        gateActivation = try fields.choice("gateActivation", GateActivation.self)
        hasTiedEmbeddings = try fields.bool("hasTiedEmbeddings")
        hasQueryKeyNorm = try fields.bool("hasQueryKeyNorm")
        hasAttentionBias = try fields.bool("hasAttentionBias")
        hasAttentionOutputBias = try fields.bool("hasAttentionOutputBias")
        hasPostNorms = try fields.bool("hasPostNorms")
        finalLogitSoftcap = try fields.optionalFloat("finalLogitSoftcap", in: 1e-3...1e6)
        try fields.refuseUnknown()
        try checkConsistency()
    }

    /// Checks a configuration that was put together by a program.
    /// - Throws: as `init(_:)`.
    package func validate() throws(FormatError) { _ = try ModelConfiguration(json) }

    private func checkConsistency() throws(FormatError) {
        func require(_ holds: Bool, _ found: String, _ expected: String) throws(FormatError) {
            if !holds { throw FormatError(.tillerConfigurationRange, found: found, expected: expected) }
        }
        try require(
            headCount % keyValueHeadCount == 0,
            "\(headCount) heads and \(keyValueHeadCount) key-value heads", "a multiple of the key-value heads"
        )
        try require(headSize % 2 == 0, "headSize \(headSize)", "an even size: rotation works on pairs")
        try require(
            slidingWindow != nil || (slidingWindowPattern == nil && localRopeTheta == nil),
            "slidingWindowPattern or localRopeTheta without slidingWindow", "both only with a sliding window")
        switch ropeScaling {
        case .llama3(_, let low, let high, _):
            try require(low < high, "frequency factors \(low) and \(high)", "the low one below the high one")
        case .yarn(_, _, let fast, let slow, _):
            try require(slow < fast, "betaFast \(fast) and betaSlow \(slow)", "betaSlow below betaFast")
        case .none, .linear, .perFrequencyFactors: break
        }
    }

    private static func ropeScaling(_ json: JSON?) throws(FormatError) -> RopeScaling {
        enum Kind: String, CaseIterable { case none, linear, llama3, yarn, perFrequencyFactors }
        var fields = try JSONFields(
            json, path: "configuration.ropeScaling", rule: .tillerConfigurationField,
            rangeRule: .tillerConfigurationRange)
        let kind = try fields.choice("type", Kind.self)
        let scaling: RopeScaling =
            switch kind {
            case .none: .none
            case .perFrequencyFactors: .perFrequencyFactors
            case .linear: .linear(factor: try fields.float("factor", in: factors))
            case .llama3:
                .llama3(
                    factor: try fields.float("factor", in: factors),
                    lowFrequencyFactor: try fields.float("lowFrequencyFactor", in: factors),
                    highFrequencyFactor: try fields.float("highFrequencyFactor", in: factors),
                    originalContextLength: try fields.integer("originalContextLength", in: lengths))
            case .yarn:
                .yarn(
                    factor: try fields.float("factor", in: factors),
                    originalContextLength: try fields.integer("originalContextLength", in: lengths),
                    betaFast: try fields.float("betaFast", in: factors),
                    betaSlow: try fields.float("betaSlow", in: factors),
                    attentionFactor: try fields.optionalFloat("attentionFactor", in: factors))
            }
        try fields.refuseUnknown()
        return scaling
    }

    /// The configuration as it stands in the manifest.
    package var json: JSON {
        [
            "family": .string(family.rawValue), "vocabularySize": .integer(vocabularySize),
            "hiddenSize": .integer(hiddenSize), "intermediateSize": .integer(intermediateSize),
            "layerCount": .integer(layerCount), "headCount": .integer(headCount),
            "keyValueHeadCount": .integer(keyValueHeadCount), "headSize": .integer(headSize),
            "contextLength": .integer(contextLength), "rmsNormEpsilon": .float(rmsNormEpsilon),
            "ropeTheta": .float(ropeTheta), "ropeScaling": ropeScaling.json,
            "localRopeTheta": .float(localRopeTheta), "slidingWindow": .integer(slidingWindow),
            "slidingWindowPattern": .integer(slidingWindowPattern), "embeddingScale": .float(embeddingScale),
            "attentionScale": .float(attentionScale), "gateActivation": .string(gateActivation.rawValue),
            "hasTiedEmbeddings": .bool(hasTiedEmbeddings), "hasQueryKeyNorm": .bool(hasQueryKeyNorm),
            "hasAttentionBias": .bool(hasAttentionBias),
            "hasAttentionOutputBias": .bool(hasAttentionOutputBias), "hasPostNorms": .bool(hasPostNorms),
            "finalLogitSoftcap": .float(finalLogitSoftcap),
        ]
    }
}

extension ModelConfiguration.RopeScaling {
    fileprivate var json: JSON {
        switch self {
        case .none: ["type": "none"]
        case .perFrequencyFactors: ["type": "perFrequencyFactors"]
        case .linear(let factor): ["type": "linear", "factor": .float(factor)]
        case .llama3(let factor, let low, let high, let length):
            [
                "type": "llama3", "factor": .float(factor), "lowFrequencyFactor": .float(low),
                "highFrequencyFactor": .float(high), "originalContextLength": .integer(length),
            ]
        case .yarn(let factor, let length, let fast, let slow, let attentionFactor):
            [
                "type": "yarn", "factor": .float(factor), "originalContextLength": .integer(length),
                "betaFast": .float(fast), "betaSlow": .float(slow),
                "attentionFactor": .float(attentionFactor),
            ]
        }
    }
}
