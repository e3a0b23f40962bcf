// SPDX-License-Identifier: Apache-2.0
// A model's configuration as JSON in the manifest (formats/tiller.md §3.5). Every number has a stated
// range, so that sizes computed from them cannot overflow. An unknown member is refused, because a
// reader that skipped it would compute a different model.

import JSON

extension ModelConfiguration {
    /// Limits of formats/tiller.md §5.
    enum Limits {
        static let sizes = 1...65_536
        static let counts = 1...1024
        static let lengths = 1...(1 << 24)
        static let factors: ClosedRange<Float> = 1e-6...1e6
        static let caps: ClosedRange<Float> = 1e-3...1e6
        static let thetas: ClosedRange<Float> = 1...1e12
    }

    /// Reads and checks a configuration that describes its layers one by one, or all at once as in version 1.0.
    ///
    /// - Throws: `FormatError` R17 for members that are missing, unknown or of the wrong type, R18 for values
    ///   that are out of range or contradict each other.
    package init(_ json: JSON?) throws(FormatError) {
        let fields = try JSONFields(
            json, path: "configuration", rule: .tillerConfigurationField, rangeRule: .tillerConfigurationRange
        )
        family = try fields.string("family", maximumByteCount: 64)
        vocabularySize = try fields.integer("vocabularySize", in: 1...1_048_576)
        hiddenSize = try fields.integer("hiddenSize", in: Limits.sizes)
        intermediateSize = try fields.integer("intermediateSize", in: 1...1_048_576)
        headCount = try fields.integer("headCount", in: Limits.counts)
        keyValueHeadCount = try fields.integer("keyValueHeadCount", in: Limits.counts)
        headSize = try fields.integer("headSize", in: Limits.counts)
        contextLength = try fields.integer("contextLength", in: Limits.lengths)
        rmsNormEpsilon = try fields.float("rmsNormEpsilon", in: 1e-12...0.1)
        embeddingScale = try fields.float("embeddingScale", in: Limits.factors)
        hasTiedEmbeddings = try fields.bool("hasTiedEmbeddings")
        finalLogitSoftcap = try fields.optionalFloat("finalLogitSoftcap", in: Limits.caps)
        if fields.value("layers") == nil {
            let uniform = try UniformLayers(fields)
            logitScale = 1
            rotaries = uniform.rotaries(headSize: headSize)
            layers = uniform.layers
        } else {
            logitScale = try fields.float("logitScale", in: Limits.factors)
            rotaries = []
            for (index, value) in try fields.array("rotaries", count: 1...8).enumerated() {
                rotaries.append(try RotaryPlan(value, path: "configuration.rotaries[\(index)]"))
            }
            layers = []
            for (index, value) in try fields.array("layers", count: 1...1024).enumerated() {
                let (count, plan) = try LayerPlan.run(value, path: "configuration.layers[\(index)]")
                layers += Array(repeating: plan, count: count)
            }
        }
        try fields.refuseUnknown()
        try checkConsistency()
    }

    /// Checks a configuration that a program created.
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
        try require(Limits.counts.contains(layerCount), "\(layerCount) layers", "1 to 1024")
        for experts in layers.compactMap(\.feedForward.experts) {
            try require(
                experts.usedCount <= experts.count,
                "\(experts.usedCount) used experts of \(experts.count)", "at most as many as there are")
            // An expert is a range of whole tiles of 16 rows.
            try require(
                experts.intermediateSize % 16 == 0 && hiddenSize % 16 == 0,
                "experts of \(experts.intermediateSize) × \(hiddenSize)", "multiples of 16")
        }
        let rules = layers.compactMap(\.deltaRule)
        try require(
            rules.allSatisfy { $0 == rules.first }, "delta rules of different sizes", "one for all layers")
        if let rule = rules.first {
            try require(
                rule.valueHeadCount % rule.keyHeadCount == 0,
                "\(rule.valueHeadCount) value heads and \(rule.keyHeadCount) key heads of a delta rule",
                "a multiple of the key heads")
        }
        for layer in layers {
            guard let rotary = layer.attention?.rotary else { continue }
            try require(
                rotaries.indices.contains(rotary), "the rotary \(rotary) of a layer",
                "one of the \(rotaries.count)")
        }
        for (index, rotary) in rotaries.enumerated() {
            try require(
                rotary.rotatedSize % 2 == 0 && rotary.rotatedSize <= headSize,
                "rotatedSize \(rotary.rotatedSize)", "an even size of at most \(headSize), a head's")
            try require(
                index == 0 || !rotary.scaling.hasFactors, "frequency factors of the rotary \(index)",
                "frequency factors only in the first rotary")
            switch rotary.scaling {
            case .llama3(_, let low, let high, _):
                try require(
                    low < high, "frequency factors \(low) and \(high)", "the low one below the high one")
            case .yarn(_, _, let fast, let slow, _):
                try require(slow < fast, "betaFast \(fast) and betaSlow \(slow)", "betaSlow below betaFast")
            case .none, .linear, .perFrequencyFactors, .longRoPE: break
            }
        }
    }

    /// The configuration as JSON for the manifest, in the members of version 1.0 if they can express all of it.
    package var json: JSON {
        if let uniform = UniformLayers(self) { return uniform.json(of: self) }
        var runs: [(count: Int, plan: LayerPlan)] = []
        for layer in layers {
            if runs.last?.plan == layer {
                runs[runs.count - 1].count += 1
            } else {
                runs.append((1, layer))
            }
        }
        return [
            "family": .string(family), "vocabularySize": .integer(vocabularySize),
            "hiddenSize": .integer(hiddenSize), "intermediateSize": .integer(intermediateSize),
            "headCount": .integer(headCount), "keyValueHeadCount": .integer(keyValueHeadCount),
            "headSize": .integer(headSize), "contextLength": .integer(contextLength),
            "rmsNormEpsilon": .float(rmsNormEpsilon), "embeddingScale": .float(embeddingScale),
            "logitScale": .float(logitScale), "hasTiedEmbeddings": .bool(hasTiedEmbeddings),
            "finalLogitSoftcap": .float(finalLogitSoftcap), "rotaries": .array(rotaries.map(\.json)),
            "layers": .array(runs.map { $0.plan.json(count: $0.count) }),
        ]
    }
}
