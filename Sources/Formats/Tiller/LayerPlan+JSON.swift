// SPDX-License-Identifier: Apache-2.0
// Layers as JSON in the manifest (formats/tiller.md §3.5). Consecutive equal layers are written once.

import JSON

extension LayerPlan {
    /// Reads a plan and the number of layers that have it.
    /// - Throws: `FormatError` R17, R18.
    static func run(_ json: JSON?, path: String) throws(FormatError) -> (count: Int, plan: LayerPlan) {
        let fields = try JSONFields(configuration: json, path: path)
        let count = try fields.integer("count", in: ModelConfiguration.Limits.counts)
        let plan = LayerPlan(
            mixer: try mixer(fields, path: path),
            feedForward: try FeedForward(fields.value("feedForward"), path: path + ".feedForward"),
            norms: try norms(fields),
            residualScale: try fields.float("residualScale", in: ModelConfiguration.Limits.factors))
        try fields.refuseUnknown()
        return (count, plan)
    }

    /// `hasPreNorms` is written where it is false only, so that files of other models stay as they were.
    private static func norms(_ fields: JSONFields) throws(FormatError) -> Norms {
        let hasPreNorms = try fields.optionalBool("hasPreNorms") ?? true
        switch (hasPreNorms, try fields.bool("hasPostNorms")) {
        case (true, false): return .before
        case (false, true): return .after
        case (true, true): return .both
        case (false, false):
            throw FormatError(
                .tillerConfigurationRange, found: "a layer with neither hasPreNorms nor hasPostNorms",
                expected: "norms before or after attention and feed-forward")
        }
    }

    private static func mixer(_ fields: JSONFields, path: String) throws(FormatError) -> Mixer {
        if let rule = fields.value("deltaRule") {
            return .deltaRule(try DeltaRule(rule, path: path + ".deltaRule"))
        }
        guard let convolution = fields.value("convolution") else {
            return .attention(try Attention(fields.value("attention"), path: path + ".attention"))
        }
        let own = try JSONFields(configuration: convolution, path: path + ".convolution")
        let width = try own.integer("width", in: 2...16)
        try own.refuseUnknown()
        return .convolution(ShortConvolution(width: width))
    }

    func json(count: Int) -> JSON {
        var json: JSON.Object = ["count": .integer(count)]
        switch mixer {
        case .attention(let attention): json["attention"] = attention.json
        case .convolution(let convolution): json["convolution"] = ["width": .integer(convolution.width)]
        case .deltaRule(let rule): json["deltaRule"] = rule.json
        }
        json["feedForward"] = feedForward.json
        if norms == .after { json["hasPreNorms"] = false }
        json["hasPostNorms"] = .bool(norms != .before)
        json["residualScale"] = .float(residualScale)
        return .object(json)
    }
}

extension LayerPlan.Attention {
    fileprivate init(_ json: JSON?, path: String) throws(FormatError) {
        let fields = try JSONFields(configuration: json, path: path)
        self.init(
            scale: try fields.float("scale", in: ModelConfiguration.Limits.factors),
            window: try fields.optionalInteger("window", in: ModelConfiguration.Limits.lengths),
            rotary: try fields.optionalInteger("rotary", in: 0...7),
            queryKeyNorm: try Self.queryKeyNorm(fields),
            normFollowsRotary: try fields.optionalBool("normFollowsRotary") ?? false,
            temperature: try Self.temperature(fields, path: path + ".temperature"),
            softcap: try fields.optionalFloat("softcap", in: ModelConfiguration.Limits.caps),
            hasBias: try fields.bool("hasBias"), hasOutputBias: try fields.bool("hasOutputBias"))
        hasOutputGate = try fields.optionalBool("hasOutputGate") ?? false
        try fields.refuseUnknown()
        guard queryKeyNorm != nil || !normFollowsRotary else {
            throw FormatError(
                .tillerConfigurationRange, found: "normFollowsRotary without hasQueryKeyNorm",
                expected: "a norm of queries and keys")
        }
    }

    private static func temperature(
        _ fields: JSONFields, path: String
    ) throws(FormatError) -> LayerPlan.QueryTemperature? {
        guard let json = fields.value("temperature") else { return nil }
        let own = try JSONFields(configuration: json, path: path)
        let temperature = LayerPlan.QueryTemperature(
            factor: try own.float("factor", in: ModelConfiguration.Limits.factors),
            length: try own.integer("length", in: ModelConfiguration.Limits.lengths))
        try own.refuseUnknown()
        return temperature
    }

    /// `normSpansHeads` is written where it is true only, as `hasPreNorms`.
    private static func queryKeyNorm(
        _ fields: JSONFields
    ) throws(FormatError) -> LayerPlan.QueryKeyNorm? {
        let spansHeads = try fields.optionalBool("normSpansHeads") ?? false
        if try fields.bool("hasQueryKeyNorm") { return spansHeads ? .whole : .perHead }
        guard !spansHeads else {
            throw FormatError(
                .tillerConfigurationRange, found: "normSpansHeads without hasQueryKeyNorm",
                expected: "a norm of queries and keys")
        }
        return nil
    }

    fileprivate var json: JSON {
        var json: JSON.Object = [
            "scale": .float(scale), "window": .integer(window), "rotary": .integer(rotary),
            "hasQueryKeyNorm": .bool(queryKeyNorm != nil),
        ]
        if queryKeyNorm == .whole { json["normSpansHeads"] = true }
        if normFollowsRotary { json["normFollowsRotary"] = true }
        if let temperature {
            json["temperature"] = [
                "factor": .float(temperature.factor), "length": .integer(temperature.length),
            ]
        }
        if let softcap { json["softcap"] = .float(softcap) }
        json["hasBias"] = .bool(hasBias)
        json["hasOutputBias"] = .bool(hasOutputBias)
        if hasOutputGate { json["hasOutputGate"] = true }
        return .object(json)
    }
}

extension LayerPlan.DeltaRule {
    fileprivate init(_ json: JSON?, path: String) throws(FormatError) {
        typealias Limits = ModelConfiguration.Limits
        let fields = try JSONFields(configuration: json, path: path)
        self.init(
            keyHeadCount: try fields.integer("keyHeadCount", in: Limits.counts),
            valueHeadCount: try fields.integer("valueHeadCount", in: Limits.counts),
            keyHeadSize: try fields.integer("keyHeadSize", in: Limits.counts),
            valueHeadSize: try fields.integer("valueHeadSize", in: Limits.counts),
            convolutionWidth: try fields.integer("convolutionWidth", in: 2...16),
            cyclesKeyHeads: try fields.bool("cyclesKeyHeads"))
        try fields.refuseUnknown()
    }

    fileprivate var json: JSON {
        [
            "keyHeadCount": .integer(keyHeadCount), "valueHeadCount": .integer(valueHeadCount),
            "keyHeadSize": .integer(keyHeadSize), "valueHeadSize": .integer(valueHeadSize),
            "convolutionWidth": .integer(convolutionWidth), "cyclesKeyHeads": .bool(cyclesKeyHeads),
        ]
    }
}

extension LayerPlan.FeedForward {
    fileprivate init(_ json: JSON?, path: String) throws(FormatError) {
        let fields = try JSONFields(configuration: json, path: path)
        let experts = try fields.value("experts").map { (json) throws(FormatError) in
            try Experts(json, path: path + ".experts")
        }
        self.init(activation: try fields.choice("activation", Activation.self), experts: experts)
        try fields.refuseUnknown()
    }

    fileprivate var json: JSON {
        var json: JSON.Object = ["activation": .string(activation.rawValue)]
        if let experts { json["experts"] = experts.json }
        return .object(json)
    }
}

extension LayerPlan.FeedForward.Experts {
    fileprivate init(_ json: JSON, path: String) throws(FormatError) {
        typealias Limits = ModelConfiguration.Limits
        let fields = try JSONFields(configuration: json, path: path)
        self.init(
            count: try fields.integer("count", in: Limits.counts),
            usedCount: try fields.integer("usedCount", in: Limits.counts),
            intermediateSize: try fields.integer("intermediateSize", in: 1...1_048_576),
            normalizesWeights: try fields.bool("normalizesWeights"))
        try fields.refuseUnknown()
    }

    fileprivate var json: JSON {
        [
            "count": .integer(count), "usedCount": .integer(usedCount),
            "intermediateSize": .integer(intermediateSize), "normalizesWeights": .bool(normalizesWeights),
        ]
    }
}

extension JSONFields {
    init(configuration json: JSON?, path: String) throws(FormatError) {
        try self.init(
            json, path: path, rule: .tillerConfigurationField, rangeRule: .tillerConfigurationRange)
    }
}
