// SPDX-License-Identifier: Apache-2.0
// The experiment that tests ExpertSteer's claim on one task: is it the expert's knowledge that helps? Directions are
// fitted on training pairs, layers and pairings chosen on validation pairs, and every arm is run once on test items, all
// at the same damage to neutral text.

import Evaluation
import ExpertSteer
import Formats
import JSON
import LinearAlgebra
import Steering
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

/// Runs the arms of one task.
package struct ExpertExperiment {
    let engine: Engine
    let options: ExperimentOptions
    let reading: PairedCapture.Result
    let trainer: ExpertTrainer
    let measurement: ProfileMeasurement
    let validation: ScoredPairs
    let test: ScoredPairs
    let testItems: [EvaluationItem]
    let progress: ExpertProgressHandler
    let ranges: [[Int]]

    static let tokenLimit = 160

    /// - Throws: `TillerError.invalidOption` where items cannot be scored.
    package init(
        engine: Engine, options: ExperimentOptions, reading: PairedCapture.Result,
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
        let all = ProfileChoice.layerRanges(of: reading.states.target.layerCount)
        ranges = options.depths.compactMap { all.indices.contains($0) ? all[$0] : nil }
        guard !ranges.isEmpty else { throw .invalidOption("there is no depth to choose from") }
    }

    var states: SharedStates { reading.states }
    var layers: [Int] { Set(ranges.joined()).sorted() }

    /// Runs everything; the test items are seen once, by arms that were chosen without them.
    ///
    /// - Parameters:
    ///   - otherWeights: names and readers of files with the target's weights in other types, to see what survives there.
    ///   - wrong: pairs of another concept, whose direction is a control.
    ///   - keep: receives the chosen profiles with their strengths.
    package func run(
        training: [ContrastivePair], wrong: [ContrastivePair],
        otherWeights: [(name: String, load: () throws -> Engine)],
        keep: (String, SteeringProfile) throws -> Void
    ) throws -> JSON {
        // Before hours of work.
        for other in otherWeights { try requireSameShape(other.load(), named: other.name) }
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
        var kept: [(arm: ExperimentArm, profile: SteeringProfile)] = []
        let own = try chosen(ownCandidates())
        let expert = try chosen(expertCandidates())
        for (kind, list) in [("own", own), ("expert", expert)] {
            for choice in list {
                let arm = try run(choice, kind: kind)
                arms.append(arm.arm)
                kept.append(arm)
                try keep("\(kind)-\(choice.candidate.name)", arm.profile)
            }
        }
        arms += try controls(own: own, expert: expert, wrong: wrong)
        // What validation preferred, of each kind.
        let best = ["own", "expert"].compactMap { kind in
            kept.filter { $0.arm.kind == kind }.max { $0.arm.isLess(than: $1.arm) }
        }
        return record(
            arms, doses: try doses(of: best), survival: try survival(of: best, in: otherWeights))
    }

    // MARK: - The test

    private func run(_ choice: Choice, kind: String) throws -> (arm: ExperimentArm, profile: SteeringProfile)
    {
        let candidate = choice.candidate
        var found = try run(
            trainer.profile(candidate.vectors), name: candidate.name, kind: kind,
            layers: candidate.vectors.map(\.layer))
        (found.arm.validation, found.arm.tried) = (choice.effect, choice.tried)
        found.arm.note = candidate.note
        return found
    }

    /// One arm at the damage of all.
    ///
    /// - Parameter start: where the search for its strength begins.
    func run(
        _ profile: SteeringProfile, name: String, kind: String, layers: [Int], start: Float = 0.25
    ) throws -> (arm: ExperimentArm, profile: SteeringProfile) {
        let found = try measurement.shifts(of: profile, on: test, costing: options.damage, start: start)
        var strong = profile
        strong.recommendedStrength = found.strength
        (strong.minimumStrength, strong.maximumStrength) = (-found.strength, found.strength)
        return (
            ExperimentArm(
                name: name, kind: kind, layers: layers, strength: Double(found.strength),
                damage: found.damage, shifts: found.shifts), strong
        )
    }

    // MARK: - The record

    private func record(_ arms: [ExperimentArm], doses: JSON, survival: JSON) -> JSON {
        let groups = testItems.map(\.group)
        return [
            "target": .string(engine.modelName), "target_weights_sha256": .string(engine.file.weightsDigest),
            "expert": .string(states.expert.name),
            "expert_source_sha256": .string("\(states.expert.sourceHash)"),
            "kernels": .string(engine.kernelName), "program": .string("tiller \(tillerVersion)"),
            "linear_algebra": .string((try? LinearAlgebra.coreType()) ?? "none"),
            "seed": .string("\(options.seed)"), "damage": .number(options.damage),
            "training_pairs": .integer(states.pairCount), "unlabelled_texts": .integer(states.textCount),
            "validation_items": .integer(validation.count), "test_items": .integer(test.count),
            "groups": .array(groups.map { .string($0) }),
            "hypotheses": .array(
                ExperimentHypothesis.all(arms, groups: groups, seed: options.seed).map(\.json)),
            "doses": doses, "survival": survival,
            "arms": .array(arms.map { $0.json(groups: groups, seed: options.seed) }),
        ]
    }
}
