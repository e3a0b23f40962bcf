// SPDX-License-Identifier: Apache-2.0
// What the arms of the experiment may be: each method with each pairing and range of layers, of which validation chooses one.

import Directions
import Evaluation
import ExpertSteer
import Tiller
import Training

extension ExpertExperiment {
    /// A candidate with directions for its layers.
    struct Candidate {
        let name: String
        let note: String
        let vectors: [(layer: Int, vector: [Double])]
    }

    func ownCandidates() throws -> [[Candidate]] {
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

    func expertCandidates() throws -> [[Candidate]] {
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
                // The experiment rotates the finished directions, as often as it wants.
                chosen.fitsRotated = false
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

    /// A candidate that validation preferred to the others of its list.
    struct Choice {
        let candidate: Candidate
        /// Mean effect on validation pairs.
        let effect: Double
        let tried: [(note: String, effect: Double)]
    }

    /// The best of each list on validation pairs.
    func chosen(_ lists: [[Candidate]]) throws -> [Choice] {
        let total = lists.joined().count
        var done = 0
        var strength: Float = 0.25
        return try lists.compactMap { list in
            var best: (candidate: Candidate, effect: Double)?
            var tried: [(String, Double)] = []
            for candidate in list {
                try progress(.choosing, done, total)
                done += 1
                guard candidate.vectors.contains(where: { $0.vector.contains { $0 != 0 } }) else { continue }
                let found = try measurement.shifts(
                    of: trainer.profile(candidate.vectors), on: validation, costing: options.damage,
                    start: strength, over: .choosing)
                strength = found.strength
                let effect = RunningMean(found.shifts).mean
                tried.append((candidate.note, effect))
                if best.map({ effect > $0.effect }) ?? true { best = (candidate, effect) }
            }
            return best.map { Choice(candidate: $0.candidate, effect: $0.effect, tried: tried) }
        }
    }
}
