// SPDX-License-Identifier: Apache-2.0
// ExpertSteer, step by step: how well both models read the concept, the mutual information between their layers, the
// pairing of layers, the direction of each pair, the best choice of layers, and the strength.

import Directions
import Evaluation
import Formats
import JSON
import LinearAlgebra
import Steering
import Tiller
import Training

/// Trains a profile for a target from the states of an expert and the target over the same texts.
package struct ExpertTrainer {
    private let engine: Engine
    private let options: ExpertOptions
    private let reading: PairedCapture.Result
    private let progress: ExpertProgressHandler
    private var states: SharedStates { reading.states }

    /// Pairs to score when choosing layers, and tokens to score per side.
    private static let scoredPairCount = 40, scoredTokenLimit = 96
    /// Minimum for a split into pairs to fit and pairs to choose by.
    private static let leastDividedPairCount = 32

    /// - Parameter engine: the target.
    /// - Throws: `TillerError.invalidOption` for layers that the target does not have.
    package init(
        engine: Engine, options: ExpertOptions, reading: PairedCapture.Result,
        progress: @escaping ExpertProgressHandler
    ) throws(TillerError) {
        try Self.check(options, layerCount: engine.model.configuration.layerCount)
        self.engine = engine
        self.options = options
        self.reading = reading
        self.progress = progress
    }

    /// Checks options that do not need states.
    package static func check(_ options: ExpertOptions, layerCount: Int) throws(TillerError) {
        if let layers = options.layers { try ProfileChoice.check(layers: layers, of: layerCount) }
        guard options.maximumPairCount >= SharedStates.leastPairCount, options.maximumTextCount >= 0 else {
            throw .invalidOption(
                "the maximum number of pairs is \(options.maximumPairCount), expected \(SharedStates.leastPairCount) "
                    + "or more")
        }
    }

    /// Trains a profile.
    ///
    /// - Parameter gap: the result of `ExpertiseGap.measure` on the same states.
    /// - Throws: `TillerError`, `ExpertTrainingError`, `LinearAlgebraError`, `PairingError`, and errors of the progress handler.
    package func train(gap: ExpertiseGap) throws -> TrainedExpert {
        let grid = grid
        let information = try sharedInformation()
        let measurement = try ProfileMeasurement(engine: engine)
        let candidates = try candidates(grid, information)
        let fit = ExpertDirectionFit(states: states, options: options, threadCount: engine.threadCount)
        let (choice, trials) = try choose(among: candidates, fit, measurement)
        let directions = try fit.directions(of: choice, part: nil) { try progress(.fitting, $0, $1) }
        guard directions.contains(where: { $0.vector.contains { $0 != 0 } }) else {
            throw TillerError.invalidOption(
                "no layer of the expert yields a direction; there is nothing to learn")
        }
        var profile = profile(directions.map { ($0.pair.target, $0.vector) })
        let strengths = measurement.strengths(of: profile)
        profile.recommendedStrength = strengths.recommended
        profile.maximumStrength = strengths.maximum
        profile.minimumStrength = -strengths.maximum
        let stability = try LayerPairing.stability(
            of: choice, policy: options.pairing, information: information, grid: grid)
        let report = ExpertReport(
            options: options, states: states, gap: gap, grid: grid, information: information,
            pairs: zip(directions, stability).map { pairReport($0, stability: $1, grid, information) },
            trials: trials, strengths: strengths)
        profile.evaluation = report.evaluation
        return TrainedExpert(profile: profile, report: report)
    }

    private var grid: LayerGrid {
        LayerGrid(
            expertLayers: states.expert.layers, expertLayerCount: states.expert.layerCount,
            targetLayers: states.target.layers, targetLayerCount: states.target.layerCount)
    }

    /// One expert layer for each given target layer, by the options' pairing policy.
    package func pairs(ofTargets layers: [Int]) throws -> [LayerPair] {
        let information = try options.pairing.needsInformation ? sharedInformation().gaussian : nil
        let policy = options.pairing == .all ? .matchedDepth : options.pairing
        return try LayerPairing.choose(
            policy, information: information, grid: grid, targets: layers, seed: options.seed)
    }

    // MARK: - Steps

    /// Mutual information between all layers of both models.
    private func sharedInformation() throws -> MutualInformationMatrix {
        let threadCount = engine.threadCount
        // The reduction of the layers is one half of the work, their comparison the other.
        let (expert, target) = try states.mapLayers(
            threadCount: threadCount, progress: { try progress(.comparing, $0, 2 * $1) }
        ) { model, layer in try LayerScores(of: model.matrix(layer: layer)) }
        var information = MutualInformationOptions()
        information.seed = options.seed
        let matrix = try MutualInformationMatrix(
            expert: expert, target: target, options: information, threadCount: threadCount)
        let layerCount = expert.count + target.count
        try progress(.comparing, 2 * layerCount, 2 * layerCount)
        return matrix
    }

    /// Candidate pairs of layers: those of the requested layers; for pairings by information those that it ranks first;
    /// otherwise those of a few ranges of layers.
    private func candidates(
        _ grid: LayerGrid, _ information: MutualInformationMatrix
    ) throws(PairingError) -> [[LayerPair]] {
        let layerCount = states.target.layerCount
        if options.pairing.needsInformation || options.layers != nil {
            let standard = ProfileChoice.standardLayers(of: layerCount).count
            return [
                try LayerPairing.choose(
                    options.pairing, information: information.gaussian, grid: grid, targets: options.layers,
                    count: options.layers == nil ? standard : nil, seed: options.seed)
            ]
        }
        let ranges =
            states.pairCount >= Self.leastDividedPairCount
            ? ProfileChoice.layerRanges(of: layerCount)
            : [ProfileChoice.standardLayers(of: layerCount)]
        // One pairing for all ranges, so that a layer has the same expert layer in each.
        let all = try LayerPairing.choose(
            options.pairing, information: nil, grid: grid, targets: Set(ranges.joined()).sorted(),
            seed: options.seed)
        return ranges.map { range in all.filter { range.contains($0.target) } }
    }

    /// Fits candidates to one half of the pairs and tries them on the other, all at the same KL on neutral text, together
    /// with the target's own mean difference and the randomly rotated control.
    private func choose(
        among candidates: [[LayerPair]], _ fit: ExpertDirectionFit, _ measurement: ProfileMeasurement
    ) throws -> (choice: [LayerPair], trials: [ExpertTrial]) {
        guard states.pairCount >= Self.leastDividedPairCount else { return (candidates[0], []) }
        let layers = Set(candidates.joined()).sorted { ($0.target, $0.expert) < ($1.target, $1.expert) }
        let found = try fit.directions(of: layers, part: 0) { try progress(.fitting, $0, $1) }
        let directions = Dictionary(zip(layers, found), uniquingKeysWith: { a, _ in a })
        let heldOut = (0..<states.pairCount).filter { $0 / 2 % 2 == 1 }.spread(Self.scoredPairCount)
        let pairs = try measurement.scored(
            heldOut.map { reading.list.pairs[states.pairNumbers[$0]] }, tokenLimit: Self.scoredTokenLimit)
        guard pairs.count > 1 else { return (candidates[0], []) }
        let total = candidates.count + 2
        var trials: [ExpertTrial] = []
        var strength: Float = 0.25
        func measure(
            _ kind: ExpertTrial.Kind, _ layers: [LayerPair], _ vector: (LayerPair) throws -> [Double]?
        ) throws {
            let vectors = try layers.compactMap { pair in try vector(pair).map { (pair.target, $0) } }
            guard vectors.contains(where: { $0.1.contains { $0 != 0 } }) else { return }
            let found = try measurement.effect(of: profile(vectors), on: pairs, start: strength)
            strength = found.strength
            trials.append(ExpertTrial(kind: kind, pairs: layers, effect: found.effect))
        }
        for (index, candidate) in candidates.enumerated() {
            try progress(.choosing, index, total)
            try measure(.candidate, candidate) { directions[$0]?.vector }
        }
        let best = trials.max { $0.score < $1.score }?.pairs ?? candidates[0]
        try progress(.choosing, total - 2, total)
        try measure(.rotated, best) { directions[$0]?.rotated }
        try progress(.choosing, total - 1, total)
        let rows = states.rows(part: 0).pairs
        try measure(.meanDifference, best) { pair in
            try DirectionMethod.meanDifference.direction(
                of: states.target.pairs(layer: pair.target).selecting(rows))
        }
        try progress(.choosing, total, total)
        return (best, trials)
    }

    // MARK: - Results

    private func pairReport(
        _ direction: ExpertDirection, stability: Double, _ grid: LayerGrid,
        _ information: MutualInformationMatrix
    ) -> ExpertPairReport {
        let own = states.target.pairs(layer: direction.pair.target)
        let row = grid.expertLayers.firstIndex(of: direction.pair.expert) ?? 0
        let column = grid.targetLayers.firstIndex(of: direction.pair.target) ?? 0
        return ExpertPairReport(
            direction: direction, information: information.gaussian[row, column], stability: stability,
            diagnostics: DirectionDiagnostics(of: direction.vector, on: own),
            rotated: direction.rotated.map { DirectionDiagnostics(of: $0, on: own) })
    }

    /// An uncalibrated profile that adds the vectors.
    package func profile(_ vectors: [(layer: Int, vector: [Double])]) -> SteeringProfile {
        // Expert layers that are paired with one target layer share its strength.
        let counts = Dictionary(vectors.map { ($0.layer, 1) }, uniquingKeysWith: +)
        let operations = vectors.enumerated().map { index, entry in
            SteeringProfile.Operation(
                .add, layer: entry.layer, vector: index, coefficient: 1 / Float(counts[entry.layer] ?? 1))
        }
        return SteeringProfile(
            name: options.name, description: options.description,
            sourceHash: engine.file.manifest.source.sha256, hiddenSize: states.target.width,
            layerCount: states.target.layerCount,
            method: "expert-steer \(options.align.rawValue) \(options.vector.rawValue)",
            operations: operations,
            residualRMS: reading.residualRMS, recommendedStrength: 1, minimumStrength: -1, maximumStrength: 1,
            provenance: provenance, vectors: vectors.map { $0.vector.map { Float($0) } })
    }

    /// Has no date, so that the same data, models, options and seed always give the same bytes.
    private var provenance: JSON {
        [
            "program": .string("tiller \(tillerVersion)"), "pairs": .integer(states.pairCount),
            "texts": .integer(states.textCount), "data_sha256": .string("\(reading.list.dataHash)"),
            "weights": .string("\(engine.model.blocks[0].feedForward.up.encoding)"),
            "expert": [
                "model": .string(states.expert.name), "source_sha256": .string("\(states.expert.sourceHash)"),
                "layers": .integer(states.expert.layerCount), "width": .integer(states.expert.width),
            ],
            "align": .string(options.align.rawValue), "pairing": .string(options.pairing.rawValue),
            "vector": .string(options.vector.rawValue), "position": .string("\(reading.position)"),
            "seed": .string("\(options.seed)"),
            "linear_algebra": .string((try? LinearAlgebra.coreType()) ?? "none"),
        ]
    }
}

/// A profile and its report.
package struct TrainedExpert: Sendable {
    package let profile: SteeringProfile
    package let report: ExpertReport
}
