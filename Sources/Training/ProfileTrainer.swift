// SPDX-License-Identifier: Apache-2.0
// From contrastive pairs to a steering profile, on the weights that will run: capture states, find a direction per layer,
// calibrate the strength against the KL on neutral text.

import Directions
import Evaluation
import Formats
import JSON
import LinearAlgebra
import Platform
import Steering
import Tiller
import Transformer

/// Options of profile training.
package struct TrainingOptions: Sendable {
    package var name: String
    package var description = ""
    package var method = DirectionMethod.meanDifference
    package var direction = DirectionOptions()
    /// Steered layers; nil tries a few ranges and chooses by their effect.
    package var layers: [Int]?
    /// Where the concept is read; nil chooses by effect.
    package var source: StateSource?
    /// Pairs to use, evenly spaced: beyond a few hundred a mean hardly changes.
    package var maximumPairCount = 512
    package var site = SteeringProfile.Site.residual
    /// The operation that uses the directions.
    package var operation = TrainedOperation.add
    /// Positions at the beginning of every text that are not steered. nil spares the first one, the attention sink, for
    /// operations that depend on the state.
    package var sparedPositions: Int?
    package var phase = SteeringProfile.Phase.both
    /// Rescales each steered state to its previous norm.
    package var keepsNorm = false

    package init(name: String) { self.name = name }
}

/// Progress of training.
package enum TrainingProgress: Sendable {
    case capturing(pair: Int, of: Int)
    /// Slow methods only: first for the choices, then for the chosen one.
    case fitting(direction: Int, of: Int)
    case choosing(candidate: Int, of: Int)
    /// A second pass that captures the outputs of the attention heads.
    case readingHeads(pair: Int, of: Int)
}

/// Trains profiles on one model.
package struct ProfileTrainer {
    private let engine: Engine
    private let options: TrainingOptions
    /// Candidate ranges of layers.
    private let layerRanges: [[Int]]

    /// - Throws: `TillerError.invalidOption` for layers that the model does not have, for no pairs, or for a method whose
    ///   library is missing.
    package init(engine: Engine, options: TrainingOptions) throws(TillerError) {
        let layerCount = engine.model.configuration.layerCount
        if let layers = options.layers {
            try ProfileChoice.check(layers: layers, of: layerCount)
            layerRanges = [Array(Set(layers)).sorted()]
        } else {
            layerRanges = ProfileChoice.layerRanges(of: layerCount)
        }
        guard options.maximumPairCount >= 1 else {
            throw .invalidOption(
                "the maximum number of pairs is \(options.maximumPairCount), expected 1 or more")
        }
        guard options.site != .headOutputs, options.site == .residual || options.operation.fitsEverySite
        else {
            throw .invalidOption(
                "'\(options.operation.rawValue)' is learned from the residual stream and acts only there, "
                    + "not at \(options.site.rawValue)")
        }
        if options.method.needsLinearAlgebra {
            do { try LinearAlgebra.load() } catch {
                throw .invalidOption("the method \(options.method.rawValue) cannot be used: \(error)")
            }
        }
        self.engine = engine
        self.options = options
    }

    /// Trains a profile.
    ///
    /// - Parameter dataHash: SHA-256 of the file of pairs, for the record.
    /// - Throws: `TillerError.invalidOption` for pairs from which nothing can be learned.
    package func train(
        on pairs: [ContrastivePair], dataHash: String, progress: (TrainingProgress) -> Void
    ) throws(TillerError) -> SteeringProfile {
        let set = try TrainingSet(
            pairs, maximumCount: options.maximumPairCount, engine: engine, limit: StateCapture.tokenLimit)
        let captured = try StateCapture(engine: engine, layers: Set(layerRanges.joined()).sorted())
            .capture(set, progress: progress)
        if let source = options.source, !captured.sources.contains(source) {
            throw .invalidOption(
                source == .prompts
                    ? "prompts cannot be used here: the sides are not two fixed answers, each right for some prompts"
                    : "the last token cannot be used here: the sides are two fixed answers")
        }
        let calibration = try StrengthCalibration(engine: engine)
        let directions = layerDirections(in: captured)
        let measured = try measureChoices(set, captured, directions, calibration, progress)
        let choice =
            measured.max { $0.score < $1.score }?.choice
            ?? ProfileChoice(
                source: options.source ?? .answers,
                layers: options.layers == nil
                    ? ProfileChoice.standardLayers(of: engine.model.configuration.layerCount) : layerRanges[0]
            )
        try directions.find([choice], part: nil, progress: progress)
        let added = makeProfile(choice, captured, directions, part: nil)
        guard added.hasDirection else {
            throw .invalidOption(
                "positive and negative sides are identical in every pair; there is nothing to learn")
        }
        let maker = OperationMaker(engine: engine, options: options, choice: choice, captured: captured)
        var profile = try maker.shape(added) { () throws(TillerError) in
            try StateCapture(engine: engine, layers: choice.layers, capturesHeads: true).capture(set) {
                event in
                guard case .capturing(let pair, let count) = event else { return }
                progress(.readingHeads(pair: pair, of: count))
            }
        }
        let strengths = calibration.calibrate(profile)
        profile.recommendedStrength = strengths.recommended
        profile.maximumStrength = strengths.maximum
        profile.minimumStrength = -strengths.maximum
        profile.provenance = provenance(of: set, dataHash: dataHash)
        profile.evaluation = evaluation(of: choice, directions, strengths, measured)
        return profile
    }

    /// Finds only the directions, one per layer in the options' order, without any measurement.
    ///
    /// They are read at the options' source, or in the answers.
    package func directions(
        from pairs: [ContrastivePair], progress: (TrainingProgress) -> Void
    ) throws(TillerError) -> [[Float]] {
        let set = try TrainingSet(
            pairs, maximumCount: options.maximumPairCount, engine: engine, limit: StateCapture.tokenLimit)
        let captured = try StateCapture(engine: engine, layers: layerRanges[0])
            .capture(set, progress: progress)
        let wanted = options.source ?? .answers
        let source = captured.sources.contains(wanted) ? wanted : .answers
        let directions = layerDirections(in: captured)
        let choice = ProfileChoice(source: source, layers: layerRanges[0])
        try directions.find([choice], part: nil, progress: progress)
        return directions.vectors(of: choice, part: nil).map { $0.map { Float($0) } }
    }

    private func layerDirections(in captured: CapturedStates) -> LayerDirections {
        LayerDirections(
            of: captured, method: options.method, options: options.direction,
            threadCount: engine.compute.threadCount)
    }

    /// The effects of the possible choices; empty where there is only one choice, or too few pairs to choose by.
    private func measureChoices(
        _ set: TrainingSet, _ captured: CapturedStates, _ directions: LayerDirections,
        _ calibration: StrengthCalibration, _ progress: (TrainingProgress) -> Void
    ) throws(TillerError) -> [MeasuredChoice] {
        let sources = options.source.map { [$0] } ?? captured.sources
        let choices = sources.flatMap { source in
            layerRanges.map { ProfileChoice(source: source, layers: $0) }
        }
        // Prompts need a measurement even as the only choice, since it determines their sign.
        guard choices.count > 1 || sources == [.prompts] else { return [] }
        guard set.pairs.count >= ChoiceMeasurement.leastPairCount else {
            guard sources != [.prompts] else {
                throw .invalidOption(
                    "\(set.pairs.count) balanced pairs are too few to learn from prompts, expected at least "
                        + "\(ChoiceMeasurement.leastPairCount)")
            }
            return []
        }
        try directions.find(choices, part: 0, progress: progress)
        let measurement = try ChoiceMeasurement(engine: engine, set: set, calibration: calibration)
        var measured: [MeasuredChoice] = []
        for (index, choice) in choices.enumerated() {
            progress(.choosing(candidate: index + 1, of: choices.count))
            let profile = makeProfile(choice, captured, directions, part: 0)
            guard profile.hasDirection else { continue }
            let result = try measurement.measure(choice, profile: profile)
            measured.append(result)
            guard choice.source == .prompts, result.effect.mean < 0 else { continue }
            var reversed = choice
            reversed.isReversed = true
            let reversedProfile = makeProfile(reversed, captured, directions, part: 0)
            measured.append(try measurement.measure(reversed, profile: reversedProfile))
        }
        return measured
    }

    /// - Parameter part: the half of the states to fit; nil takes all.
    private func makeProfile(
        _ choice: ProfileChoice, _ captured: CapturedStates, _ directions: LayerDirections, part: Int?
    ) -> SteeringProfile {
        let configuration = engine.model.configuration
        let operations = choice.layers.enumerated().map { index, layer in
            var operation = SteeringProfile.Operation(
                .add, site: options.site, layer: layer, vector: index, keepsNorm: options.keepsNorm)
            operation.firstPosition = options.sparedPositions ?? 0
            return operation
        }
        let vectors = directions.vectors(of: choice, part: part).map { $0.map { Float($0) } }
        return SteeringProfile(
            name: options.name, description: options.description,
            sourceHash: engine.file.manifest.source.sha256, hiddenSize: configuration.hiddenSize,
            layerCount: configuration.layerCount, method: options.method.rawValue, phase: options.phase,
            operations: operations, residualRMS: captured.residualRMS, recommendedStrength: 1,
            minimumStrength: -1, maximumStrength: 1, vectors: vectors)
    }

    // MARK: - The record

    private func provenance(of set: TrainingSet, dataHash: String) -> JSON {
        var record: JSON.Object = [
            "operation": .string(options.operation.rawValue),
            "program": .string("tiller \(tillerVersion)"),
            "pairs": .integer(set.pairs.count), "data_sha256": .string(dataHash),
            "weights": .string("\(engine.model.blocks[0].feedForward.up.encoding)"),
        ]
        // Means need no library: their sums have the same order on every processor.
        if options.method.needsLinearAlgebra {
            record["linear_algebra"] = .string((try? LinearAlgebra.coreType()) ?? "none")
        }
        if let answers = set.fixedAnswers {
            record["positive_answers"] = .array(
                answers.map { ["answer": .string($0.text), "count": .integer($0.count)] })
        }
        return .object(record)
    }

    private func evaluation(
        of choice: ProfileChoice, _ directions: LayerDirections, _ strengths: CalibratedStrength,
        _ measured: [MeasuredChoice]
    ) -> JSON {
        var record = directions.json(of: choice, isDivided: !measured.isEmpty)
        record["damage_at_recommended"] = .number(strengths.damage)
        record["source"] = .string(choice.source.rawValue)
        record["choices"] = .array(measured.map(\.json))
        return .object(record)
    }
}

extension SteeringProfile {
    fileprivate var hasDirection: Bool { vectors.contains { $0.contains { $0 != 0 } } }
}
