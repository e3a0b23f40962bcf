// SPDX-License-Identifier: Apache-2.0
// The run time of each steering operation. Differences of a few per mille are smaller than the noise from one second to
// the next, so unsteered and steered steps alternate token by token, and the median of their ratios is taken.

import Formats
import JSON
import Platform
import Steering
import Tiller

/// The cost of one operation, as a share of the unsteered time.
package struct OperationCost: Sendable {
    package let name: String
    /// Medians of steered / plain − 1.
    package let decode, prefill: Double

    package var json: JSON {
        ["operation": .string(name), "decode_cost": .number(decode), "prefill_cost": .number(prefill)]
    }
}

/// Measures synthetic profiles that steer the upper middle layers, as trained ones do.
package struct OperationCostMeter {
    private let engine: Engine
    private let plain, steered: Session
    private let prefillTokens: [Int32]
    private let repetitions: Int

    /// Number of tokens to decode, and the depth at which decoding starts.
    private static let decodeCount = 200, depth = 32
    /// Pairs of runs per repetition.
    private static let decodeRuns = 100, prefillRuns = 4

    package init(engine: Engine, repetitions: Int) throws(TillerError) {
        self.engine = engine
        self.repetitions = repetitions
        let length = min(256, engine.contextLength - Self.decodeCount - Self.depth)
        guard length > 0 else {
            throw .invalidOption("a context of \(engine.contextLength) tokens is too short to measure in")
        }
        prefillTokens = (0..<length).map { Int32(($0 &* 2_654_435_761 &+ 12345) % engine.vocabularySize) }
        let context = max(Self.decodeCount + Self.depth, length) + 1
        plain = try engine.makeSession(contextLength: context)
        steered = try engine.makeSession(contextLength: context)
    }

    /// - Parameter progress: called with (kinds done, total kinds).
    package func measure(progress: (Int, Int) -> Void = { _, _ in }) throws(TillerError) -> [OperationCost] {
        let profiles = madeUpProfiles()
        var costs: [OperationCost] = []
        for (index, profile) in profiles.enumerated() {
            progress(index, profiles.count)
            let active = profile.operations.isEmpty ? [] : [ActiveProfile(profile: profile, strength: 0.01)]
            steered.setPlan(
                SteeringPlan(active: active, layerCount: engine.model.configuration.layerCount))
            costs.append(
                OperationCost(name: profile.name, decode: try decodeCost(), prefill: try prefillCost()))
        }
        progress(profiles.count, profiles.count)
        return costs
    }

    private func decodeCost() throws(TillerError) -> Double {
        try cost(Self.decodeRuns * repetitions) { session, turn throws(TillerError) in
            try session.evaluate([prefillTokens[turn % prefillTokens.count]])
        } before: { turn throws(TillerError) in
            guard turn % Self.decodeCount == 0 else { return }
            for session in [plain, steered] {
                session.rewind(to: 0)
                try session.evaluate(Array(prefillTokens.prefix(Self.depth)))
            }
        }
    }

    private func prefillCost() throws(TillerError) -> Double {
        try cost(Self.prefillRuns * repetitions) { session, _ throws(TillerError) in
            session.rewind(to: 0)
            try session.evaluate(prefillTokens)
        }
    }

    /// The median of the ratios of neighbouring runs; their order alternates.
    private func cost(
        _ count: Int, _ run: (Session, Int) throws(TillerError) -> Void,
        before prepare: (Int) throws(TillerError) -> Void = { _ in }
    ) throws(TillerError) -> Double {
        var ratios: [Double] = []
        for turn in 0..<count {
            try prepare(turn)
            var seconds = [0.0, 0.0]
            for index in turn % 2 == 0 ? [0, 1] : [1, 0] {
                let start = MonotonicClock.now()
                try run(index == 0 ? plain : steered, turn)
                seconds[index] = MonotonicClock.now() - start
            }
            ratios.append(seconds[1] / seconds[0])
        }
        return median(ratios) - 1
    }

    // MARK: - Profiles

    /// One profile of each kind; the first does nothing and shows the noise of the measurement.
    private func madeUpProfiles() -> [SteeringProfile] {
        let configuration = engine.model.configuration
        let headWidth = configuration.headCount * configuration.headSize
        let count = configuration.layerCount
        let layers = count * 40 / 100...max(count * 40 / 100, count * 80 / 100 - 1)
        func unit(_ index: Int, _ width: Int) -> [Float] {
            // The two vectors are orthogonal: equal magnitudes, with the sign of every other element changed in the second one.
            let size = 1 / Float(width / 2 * 2).squareRoot()
            return (0..<width).map { $0 < width / 2 * 2 ? ($0 % 2 == 1 && index == 1 ? -size : size) : 0 }
        }
        let hidden = configuration.hiddenSize
        let vectors =
            [unit(0, hidden), unit(1, hidden)]
            + SteeringProfile.rows(of: unit(0, headWidth), hiddenSize: hidden)
        typealias Operation = SteeringProfile.Operation
        func profile(_ name: String, _ make: ((Int) -> Operation)?) -> SteeringProfile {
            SteeringProfile(
                name: name, description: "", sourceHash: .zero, hiddenSize: hidden, layerCount: count,
                method: "none", operations: make.map { layers.map($0) } ?? [],
                residualRMS: Array(repeating: 1, count: count), recommendedStrength: 0, minimumStrength: 0,
                maximumStrength: 0, vectors: vectors)
        }
        let gate = SteeringProfile.Gate(layer: layers.lowerBound, vector: 1, .above, -1e6)
        return [
            profile("nothing", nil),
            profile("add") { Operation(.add, layer: $0, vector: 0) },
            profile("add, norm kept") { Operation(.add, layer: $0, vector: 0, keepsNorm: true) },
            profile("add, gated") { Operation(.add, layer: $0, vector: 0, gate: gate) },
            profile("project-out") { Operation(.projectOut, layer: $0, vector: 0) },
            profile("clamp") { Operation(.clamp(target: 0, .always), layer: $0, vector: 0) },
            profile("rotate") { Operation(.rotate(second: 1, target: nil), layer: $0, vector: 0) },
            profile("rotate to target") { Operation(.rotate(second: 1, target: 90), layer: $0, vector: 0) },
            profile("scale") { Operation(.scale, layer: $0, vector: 0) },
            profile("head-add") {
                Operation(.add, site: .headOutputs, layer: $0, vector: 2, width: headWidth)
            },
        ]
    }
}
