// SPDX-License-Identifier: Apache-2.0
// The experiment that tests ExpertSteer's claim on one task: is it the expert's knowledge that helps? Directions are
// fitted on training pairs, layers and pairings chosen on validation pairs, and every arm is run once on test items, all
// at the same damage to neutral text.

import Evaluation
import ExpertSteer
import Formats
import JSON
import LinearAlgebra
import Tiller
import Training

/// What is run.
package struct ExperimentOptions: Sendable {
    package var damage = 0.05
    package var randomCount = 40
    /// Shuffled labels and rotations, each.
    package var controlCount = 10
    package var seed: UInt64 = 0
    package var alignments = ExpertAlignment.allCases
    package var pairings: [PairingPolicy] = [.matchedDepth, .low, .high]
    /// Ranges of layers to choose from, by their place among those that training tries.
    package var depths = [0, 2, 3]
    /// A system message, to compare with words.
    package var system: String?

    package init() {}
}

/// One way of steering, as it was measured.
package struct ExperimentArm: Sendable {
    package let name: String
    /// "own", "expert", "random", "shuffled", "rotated", "wrong domain", "words" or "none".
    package let kind: String
    package var layers: [Int] = []
    package var strength: Double?
    /// KL on neutral text in nats by token; nil where it is not matched.
    package var damage: Double?
    /// Mean effect on validation pairs, by which layers and pairing were chosen.
    package var validation: Double?
    /// Change of the log-odds of each test item.
    package let shifts: [Double]
    package var note: String?

    func json(groups: [String], seed: UInt64) -> JSON {
        let differences = GroupedDifferences(shifts, groups: groups)
        let interval = differences.bootstrapInterval(seed: seed)
        var object: JSON.Object = [
            "name": .string(name), "kind": .string(kind), "effect": .number(differences.mean),
            "interval": interval.lowerBound.isFinite ? interval.json : .null,
            "p": .number(differences.permutationTest(seed: seed)),
            "anti_steered": .number(Double(shifts.count { $0 < 0 }) / Double(max(shifts.count, 1))),
        ]
        if let damage {
            object["damage"] = .number(damage)
            object["effect_per_nat"] = .number(differences.mean / max(damage, 1e-9))
        }
        if let strength { object["strength"] = .number(strength) }
        if let validation { object["validation_effect"] = .number(validation) }
        if !layers.isEmpty { object["layers"] = .array(layers.map { .integer($0) }) }
        if let note { object["note"] = .string(note) }
        object["shifts"] = .array(shifts.map { .number($0) })
        return .object(object)
    }
}

/// Runs the arms of one task.
package struct ExpertExperiment {
    private let engine: Engine
    private let options: ExperimentOptions
    private let reading: SharedReading.Result
    private let trainer: ExpertTrainer
    private let measurement: ProfileMeasurement
    private let validation: ScoredPairs
    private let test: ScoredPairs
    private let testItems: [EvaluationItem]
    private let progress: ExpertProgressHandler
    private let ranges: [[Int]]

    private static let tokenLimit = 160

    /// - Throws: `TillerError.invalidOption` where items cannot be scored.
    package init(
        engine: Engine, options: ExperimentOptions, reading: SharedReading.Result,
        validation: [ContrastivePair],
        test: [EvaluationItem], progress: @escaping ExpertProgressHandler
    ) throws(TillerError) {
        var expertOptions = ExpertOptions(name: "experiment")
        expertOptions.seed = options.seed
        trainer = try ExpertTrainer(
            engine: engine, options: expertOptions, reading: reading, progress: progress)
        let measurement = try ProfileMeasurement(engine: engine)
        self.validation = try measurement.scored(validation, tokenLimit: Self.tokenLimit)
        let scored = try measurement.scored(test.map(\.pair), tokenLimit: Self.tokenLimit)
        testItems = scored.places.map { test[$0] }
        self.test = scored
        guard self.validation.count > 1, self.test.count > 1 else {
            throw .invalidOption("too few items can be scored, expected 2 for validation and 2 for the test")
        }
        (self.engine, self.options, self.reading, self.measurement) = (engine, options, reading, measurement)
        self.progress = progress
        let all = ProfileMeasurement.layerRanges(of: reading.states.target.layerCount)
        ranges = options.depths.compactMap { all.indices.contains($0) ? all[$0] : nil }
        guard !ranges.isEmpty else { throw .invalidOption("there is no depth to choose from") }
    }

    private var states: SharedStates { reading.states }
    private var layers: [Int] { Set(ranges.joined()).sorted() }

    /// A candidate with directions for its layers.
    private struct Candidate {
        let name: String
        let note: String
        let vectors: [(layer: Int, vector: [Double])]
    }

    /// Runs everything; the test items are seen once, by arms that were chosen without them.
    ///
    /// - Parameters:
    ///   - wrong: pairs of another concept, whose direction is a control.
    ///   - keep: receives the chosen profiles with their strengths.
    package func run(
        training: [ContrastivePair], wrong: [ContrastivePair], keep: (String, SteeringProfile) throws -> Void
    ) throws -> JSON {
        var arms = [
            ExperimentArm(
                name: "none", kind: "none", damage: 0, shifts: [Double](repeating: 0, count: test.count))
        ]
        if let system = options.system {
            let shifts = try measurement.shifts(
                ofSystem: system, on: testItems.map(\.pair), tokenLimit: Self.tokenLimit)
            arms.append(
                ExperimentArm(
                    name: "system prompt", kind: "words", shifts: shifts, note: "damage is not matched"))
        }
        let bias = try UnigramBias(engine: engine, pairs: training, tokenLimit: Self.tokenLimit)
        let scaled = bias.scale(costing: options.damage)
        arms.append(
            ExperimentArm(
                name: "unigram logit bias", kind: "words", strength: scaled.scale, damage: scaled.damage,
                shifts: bias.shifts(of: test, scale: scaled.scale)))
        let own = try chosen(ownCandidates())
        let expert = try chosen(expertCandidates())
        for (kind, list) in [("own", own), ("expert", expert)] {
            for (candidate, effect) in list {
                let arm = try run(candidate, kind: kind, validation: effect)
                arms.append(arm.arm)
                try keep("\(kind)-\(candidate.name)", arm.profile)
            }
        }
        arms += try controls(own: own, expert: expert, wrong: wrong)
        return record(arms)
    }

    // MARK: - Candidates

    private func ownCandidates() throws -> [[Candidate]] {
        let means = layers
        return try DirectionMethod.allCases.map { method in
            let found = try parallelMap(means.count, threadCount: engine.threadCount) { index in
                do { return try method.direction(of: states.target.pairs(layer: means[index])) } catch let
                    error as StatesError
                {
                    throw ExpertTrainingError.states("target layer \(means[index])", error)
                }
            }
            let vectors = Dictionary(uniqueKeysWithValues: zip(means, found))
            return ranges.map { range in
                Candidate(
                    name: method.rawValue, note: "layers \(range)",
                    vectors: range.compactMap { layer in vectors[layer].map { (layer, $0) } })
            }
        }
    }

    private func expertCandidates() throws -> [[Candidate]] {
        var pairs: [(PairingPolicy, [LayerPair])] = []
        for policy in options.pairings {
            var chosen = ExpertOptions(name: "experiment")
            (chosen.pairing, chosen.seed) = (policy, options.seed)
            let trainer = try ExpertTrainer(
                engine: engine, options: chosen, reading: reading, progress: progress)
            pairs.append((policy, try trainer.pairs(ofTargets: layers)))
        }
        return try options.alignments.map { align in
            var candidates: [Candidate] = []
            for (policy, layerPairs) in pairs {
                var chosen = ExpertOptions(name: "experiment")
                (chosen.align, chosen.pairing, chosen.seed) = (align, policy, options.seed)
                let fit = ExpertDirectionFit(states: states, options: chosen, threadCount: engine.threadCount)
                let found = try fit.directions(of: layerPairs, part: nil) { try progress(.fitting, $0, $1) }
                for range in ranges {
                    candidates.append(
                        Candidate(
                            name: align.rawValue, note: "\(policy.rawValue), layers \(range)",
                            vectors: found.filter { range.contains($0.pair.target) }
                                .map { ($0.pair.target, $0.vector) }))
                }
            }
            return candidates
        }
    }

    /// The best of each list on validation pairs.
    private func chosen(_ lists: [[Candidate]]) throws -> [(candidate: Candidate, effect: Double)] {
        let total = lists.joined().count
        var done = 0
        var strength: Float = 0.25
        return try lists.compactMap { list in
            var best: (Candidate, Double)?
            for candidate in list {
                try progress(.choosing, done, total)
                done += 1
                guard candidate.vectors.contains(where: { $0.vector.contains { $0 != 0 } }) else { continue }
                let found = try measurement.exactShifts(
                    of: trainer.profile(candidate.vectors), on: validation, costing: options.damage,
                    start: strength)
                strength = found.strength
                let effect = RunningMean(found.shifts).mean
                if best.map({ effect > $0.1 }) ?? true { best = (candidate, effect) }
            }
            return best
        }
    }

    // MARK: - The test

    private func run(_ candidate: Candidate, kind: String, validation: Double?) throws -> (
        arm: ExperimentArm, profile: SteeringProfile
    ) {
        let profile = trainer.profile(candidate.vectors)
        return try run(
            profile, name: candidate.name, kind: kind, validation: validation, note: candidate.note,
            layers: candidate.vectors.map(\.layer))
    }

    private func run(
        _ profile: SteeringProfile, name: String, kind: String, validation: Double? = nil,
        note: String? = nil,
        layers: [Int]
    ) throws -> (arm: ExperimentArm, profile: SteeringProfile) {
        let found = try measurement.exactShifts(of: profile, on: test, costing: options.damage, start: 0.25)
        var strong = profile
        strong.recommendedStrength = found.strength
        (strong.minimumStrength, strong.maximumStrength) = (-found.strength, found.strength)
        return (
            ExperimentArm(
                name: name, kind: kind, layers: layers, strength: Double(found.strength),
                damage: found.damage,
                validation: validation, shifts: found.shifts, note: note), strong
        )
    }

    /// Directions that cannot know the concept, on the layers of the best expert arm.
    private func controls(
        own: [(candidate: Candidate, effect: Double)], expert: [(candidate: Candidate, effect: Double)],
        wrong: [ContrastivePair]
    ) throws -> [ExperimentArm] {
        guard let best = (expert.isEmpty ? own : expert).max(by: { $0.effect < $1.effect }) else { return [] }
        let layers = best.candidate.vectors.map(\.layer)
        let width = states.target.width
        var arms: [ExperimentArm] = []
        let total = options.randomCount + 2 * options.controlCount + 1
        func add(_ name: String, _ kind: String, _ profile: SteeringProfile) throws {
            try progress(.choosing, arms.count, total)
            arms.append(try run(profile, name: name, kind: kind, layers: layers).arm)
        }
        for index in 0..<options.randomCount {
            var random = RandomStream(seed: options.seed, part: index)
            let vectors = layers.map { layer in
                (layer, unit((0..<width).map { _ in random.nextNormal() }))
            }
            try add("random \(index + 1)", "random", trainer.profile(vectors))
        }
        let differences = layers.map { states.target.pairs(layer: $0).differences }
        for index in 0..<options.controlCount {
            var random = RandomStream(seed: options.seed, part: 100_000 + index)
            let sums = shuffledSums(of: differences, &random).map(unit)
            try add(
                "shuffled labels \(index + 1)", "shuffled",
                trainer.profile(zip(layers, sums).map { ($0, $1) }))
        }
        if let paper = expert.first(where: { $0.candidate.name == ExpertAlignment.autoencoder.rawValue }) {
            let profile = trainer.profile(paper.candidate.vectors)
            for index in 0..<options.controlCount {
                let rotated = ProfileMeasurement.rotated(profile, seed: options.seed, index: index)
                try progress(.choosing, arms.count, total)
                arms.append(
                    try run(
                        rotated, name: "rotated auto-encoder \(index + 1)", kind: "rotated",
                        layers: paper.candidate.vectors.map(\.layer)
                    ).arm)
            }
        }
        if !wrong.isEmpty {
            var options = TrainingOptions(name: "wrong")
            options.layers = layers
            options.maximumPairCount = 128
            let vectors = try ProfileTrainer(engine: engine, options: options)
                .directions(from: wrong, progress: { _ in })
            try add(
                "wrong domain", "wrong domain",
                trainer.profile(zip(layers, vectors).map { ($0, $1.map(Double.init)) }))
        }
        return arms
    }

    // MARK: - The record

    private func record(_ arms: [ExperimentArm]) -> JSON {
        let groups = testItems.map(\.group)
        return [
            "target": .string(engine.modelName), "target_weights_sha256": .string(engine.file.weightsDigest),
            "expert": .string(states.expert.name),
            "expert_source_sha256": .string("\(states.expert.sourceHash)"),
            "kernels": .string(engine.kernelName), "program": .string("tiller \(tillerVersion)"),
            "seed": .string("\(options.seed)"), "damage": .number(options.damage),
            "training_pairs": .integer(states.pairCount), "unlabelled_texts": .integer(states.textCount),
            "validation_items": .integer(validation.count), "test_items": .integer(test.count),
            "groups": .array(groups.map { .string($0) }),
            "hypotheses": .array(
                ExperimentHypothesis.all(arms, groups: groups, seed: options.seed).map(\.json)),
            "arms": .array(arms.map { $0.json(groups: groups, seed: options.seed) }),
        ]
    }
}
