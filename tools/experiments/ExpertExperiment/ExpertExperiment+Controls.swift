// SPDX-License-Identifier: Apache-2.0
// What no knowledge of the concept reaches: arms that tell the expert's knowledge from chance.

import Directions
import Evaluation
import ExpertSteer
import Formats
import LinearAlgebra
import Steering
import Training

extension ExpertExperiment {
    /// Directions that cannot know the concept, on the layers of the best expert arm.
    func controls(
        own: [Choice], expert: [Choice], wrong: [ContrastivePair]
    ) throws -> [ExperimentArm] {
        guard let best = (expert.isEmpty ? own : expert).max(by: { $0.effect < $1.effect }) else { return [] }
        let layers = best.candidate.vectors.map(\.layer)
        let width = states.target.width
        var arms: [ExperimentArm] = []
        let total = options.randomCount + 2 * options.controlCount + 1
        // Directions of one kind need much the same strength.
        var start: Float = 0.25
        func add(_ name: String, _ kind: String, _ profile: SteeringProfile, _ layers: [Int]) throws {
            try progress(.choosing, arms.count, total)
            let arm = try run(profile, name: name, kind: kind, layers: layers, start: start).arm
            start = Float(arm.strength ?? 0.25)
            arms.append(arm)
        }
        for index in 0..<options.randomCount {
            var random = RandomStream(seed: options.seed, part: index)
            let vectors = layers.map { layer in
                (layer, normalized((0..<width).map { _ in random.nextNormal() }))
            }
            try add("random \(index + 1)", "random", trainer.profile(vectors), layers)
        }
        let differences = layers.map { states.target.pairs(layer: $0).differences }
        for index in 0..<options.controlCount {
            var random = RandomStream(seed: options.seed, part: 100_000 + index)
            let sums = shuffledSums(of: differences, &random).map(normalized)
            try add(
                "shuffled labels \(index + 1)", "shuffled",
                trainer.profile(zip(layers, sums).map { ($0, $1) }), layers)
        }
        if let paper = expert.first(where: { $0.candidate.name == ExpertAlignment.autoencoder.rawValue }) {
            let profile = trainer.profile(paper.candidate.vectors)
            for index in 0..<options.controlCount {
                let rotated = ControlMaker(profile: profile, seed: options.seed).rotated(index)
                try add(
                    "rotated auto-encoder \(index + 1)", "rotated", rotated,
                    paper.candidate.vectors.map(\.layer))
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
                trainer.profile(zip(layers, vectors).map { ($0, $1.map(Double.init)) }), layers)
        }
        return arms
    }
}
