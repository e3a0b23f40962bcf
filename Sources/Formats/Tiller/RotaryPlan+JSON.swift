// SPDX-License-Identifier: Apache-2.0
// Rotaries as JSON in the manifest (formats/tiller.md §3.5).

import JSON

extension RotaryPlan {
    init(_ json: JSON?, path: String) throws(FormatError) {
        let fields = try JSONFields(configuration: json, path: path)
        self.init(
            theta: try fields.float("theta", in: ModelConfiguration.Limits.thetas),
            scaling: try Scaling(fields.value("scaling"), path: path + ".scaling"),
            rotatedSize: try fields.integer("rotatedSize", in: 2...1024))
        try fields.refuseUnknown()
    }

    var json: JSON {
        ["theta": .float(theta), "scaling": scaling.json, "rotatedSize": .integer(rotatedSize)]
    }
}

extension RotaryPlan.Scaling {
    private enum Kind: String, CaseIterable { case none, linear, llama3, yarn, perFrequencyFactors, longRoPE }

    /// Whether tensors divide the frequencies.
    package var hasFactors: Bool {
        switch self {
        case .perFrequencyFactors, .longRoPE: true
        case .none, .linear, .llama3, .yarn: false
        }
    }

    init(_ json: JSON?, path: String) throws(FormatError) {
        typealias Limits = ModelConfiguration.Limits
        let fields = try JSONFields(configuration: json, path: path)
        switch try fields.choice("type", Kind.self) {
        case .none: self = .none
        case .perFrequencyFactors: self = .perFrequencyFactors
        case .linear: self = .linear(factor: try fields.float("factor", in: Limits.factors))
        case .llama3:
            self = .llama3(
                factor: try fields.float("factor", in: Limits.factors),
                lowFrequencyFactor: try fields.float("lowFrequencyFactor", in: Limits.factors),
                highFrequencyFactor: try fields.float("highFrequencyFactor", in: Limits.factors),
                originalContextLength: try fields.integer("originalContextLength", in: Limits.lengths))
        case .yarn:
            self = .yarn(
                factor: try fields.float("factor", in: Limits.factors),
                originalContextLength: try fields.integer("originalContextLength", in: Limits.lengths),
                betaFast: try fields.float("betaFast", in: Limits.factors),
                betaSlow: try fields.float("betaSlow", in: Limits.factors),
                attentionFactor: try fields.optionalFloat("attentionFactor", in: Limits.factors))
        case .longRoPE:
            self = .longRoPE(
                originalContextLength: try fields.integer("originalContextLength", in: Limits.lengths),
                attentionFactor: try fields.float("attentionFactor", in: Limits.factors))
        }
        try fields.refuseUnknown()
    }

    var json: JSON {
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
        case .longRoPE(let length, let attentionFactor):
            [
                "type": "longRoPE", "originalContextLength": .integer(length),
                "attentionFactor": .float(attentionFactor),
            ]
        }
    }
}
