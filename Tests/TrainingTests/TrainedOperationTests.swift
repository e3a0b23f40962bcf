// SPDX-License-Identifier: Apache-2.0
// Every operation that can be made of one contrast, and the curve by which its strength is chosen.

import Evaluation
import Formats
import ModelFixtures
import Steering
import TestSupport
import Testing
import Tiller
import Training

@Suite struct TrainedOperationTests {
    private let folder = TemporaryFolder()

    /// Texts of different letters: a model with tied embeddings expects what it has read.
    private func pairs(_ count: Int, seed: UInt64) -> [ContrastivePair] {
        var random = SeededGenerator(seed: seed)
        func text(_ letters: [String]) -> String {
            (0..<12).map { _ in letters.randomElement(using: &random) ?? "" }.joined(separator: " ")
        }
        return (0..<count).map { _ in
            ContrastivePair(positive: text(["a", "e", "i"]), negative: text(["t", "s", "n"]))
        }
    }

    private func train(
        _ operation: TrainedOperation, _ engine: Engine, _ change: (inout TrainingOptions) -> Void = { _ in }
    ) throws -> SteeringProfile {
        var options = TrainingOptions(name: "vowels")
        options.operation = operation
        options.layers = [2, 3, 4]
        change(&options)
        return try ProfileTrainer(engine: engine, options: options)
            .train(on: pairs(24, seed: 1), dataHash: "0", progress: { _ in })
    }

    private func meanShift(_ profile: SteeringProfile, _ engine: Engine, _ strength: Float) throws -> Double {
        let plan = SteeringPlan(
            active: [ActiveProfile(profile: profile, strength: strength)],
            layerCount: engine.model.configuration.layerCount)
        return try PairEvaluation.measure(pairs(24, seed: 2), engine: engine, plan: plan).meanShift
    }

    @Test(arguments: TrainedOperation.allCases)
    func eachOperationIsAProfileThatWorks(operation: TrainedOperation) throws {
        let engine = try TinyModel("gemma3").engine(in: folder)
        let profile = try train(operation, engine)
        // What is written is checked.
        _ = try profile.encoded()
        try profile.checkShape(of: engine.model.configuration)
        #expect(profile.operations.map(\.layer) == [2, 3, 4])
        #expect(profile.provenance["operation"]?.stringValue == operation.rawValue)
        #expect(profile.evaluation["training_pair_accuracy"]?.arrayValue?.count == 3)
        #expect(profile.recommendedStrength > 0)
        let shift = try meanShift(profile, engine, profile.recommendedStrength)
        switch operation {
        // Taking a direction out moves both sides, and a turn takes from the mean state what it gives to the direction.
        case .projectOut, .rotate: #expect(shift != 0)
        case .add, .clamp, .scale, .headAdd: #expect(shift > 0)
        }
    }

    @Test func headsWiderThanTheStreamAreLearned() throws {
        let engine = try TinyModel("qwen3").engine(in: folder)
        let profile = try train(.headAdd, engine) { $0.layers = [0, 1] }
        let configuration = engine.model.configuration
        #expect(configuration.headCount * configuration.headSize == 2 * configuration.hiddenSize)
        #expect(profile.vectors.count == 4)
        _ = try profile.encoded()
        try profile.checkShape(of: configuration)
    }

    @Test func theBeginningOfTextsIsSpared() throws {
        let engine = try TinyModel("llama").engine(in: folder)
        for (operation, spared, expected) in [
            (TrainedOperation.add, nil, 0), (.headAdd, nil, 0), (.clamp, nil, 1), (.rotate, nil, 1),
            (.add, 3, 3), (.headAdd, 2, 2), (.scale, 0, 0),
        ] as [(TrainedOperation, Int?, Int)] {
            let profile = try train(operation, engine) {
                $0.layers = [1]
                $0.sparedPositions = spared
            }
            #expect(profile.operations.map(\.firstPosition) == [expected], "\(operation)")
        }
    }

    @Test func operationsHaveTheirPlaces() throws {
        let engine = try TinyModel("llama").engine(in: folder)
        _ = try train(.projectOut, engine) {
            $0.layers = [1]
            $0.site = .attentionOutput
        }
        for operation in [TrainedOperation.clamp, .rotate, .scale, .headAdd] {
            #expect(throws: TillerError.self) { try train(operation, engine) { $0.site = .attentionOutput } }
        }
    }

    // MARK: - Calibration

    private func calibrate(_ profile: SteeringProfile, _ engine: Engine, budget: Double = 0.05) throws
        -> ProfileCalibration
    {
        try ProfileCalibrator(
            engine: engine, pairs: pairs(24, seed: 2), budget: budget, maximumPairCount: 20
        ).calibrate(profile, progress: { _, _ in })
    }

    @Test func theRecommendedStrengthStaysWithinItsBudget() throws {
        let engine = try TinyModel("gemma3").engine(in: folder)
        let profile = try train(.add, engine)
        var effects: [Double] = []
        for budget in [0.01, 0.1] {
            let result = try calibrate(profile, engine, budget: budget)
            let recommended = try #require(result.recommended)
            #expect(result.pairCount == 20)
            #expect(recommended.spent <= budget * 1.1 && recommended.effect > 0)
            #expect(result.points.map(\.strength) == result.points.map(\.strength).sorted())
            #expect(result.points.contains { $0.strength < 0 && $0.effect < 0 })
            #expect(result.points.allSatisfy { $0.interval.contains($0.effect) && $0.damage >= 0 })
            #expect(result.safeRange.contains(recommended.strength))
            effects.append(recommended.effect)

            let stored = result.applied(to: profile, dataHash: "0")
            #expect(stored.recommendedStrength == recommended.strength)
            #expect(stored.minimumStrength == result.safeRange.lowerBound)
            #expect(
                stored.evaluation["calibration"]?["curve"]?.arrayValue?.count == result.points.count)
            #expect(stored.evaluation["choices"] == profile.evaluation["choices"])
            _ = try stored.encoded()
            let picture = result.picture(name: "vowels")
            #expect(picture.hasPrefix("<svg") && picture.contains("recommended"))
        }
        #expect(effects[0] < effects[1])
    }

    @Test func aProfileThatPointsTheOtherWayIsRecommendedWithTheOtherSign() throws {
        let engine = try TinyModel("gemma3").engine(in: folder)
        var profile = try train(.add, engine)
        profile.vectors = profile.vectors.map { $0.map { -$0 } }
        let result = try calibrate(profile, engine)
        #expect((result.recommended?.strength ?? 0) < 0)
    }

    @Test func strengthsEndWhereOperationsDo() throws {
        let engine = try TinyModel("gemma3").engine(in: folder)
        for (operation, largest) in [
            (TrainedOperation.projectOut, Float(1)), (.clamp, 1), (.rotate, .pi / 2),
        ] {
            let profile = try train(operation, engine)
            #expect(profile.maximumStrength <= largest)
            let range = try calibrate(profile, engine, budget: 1).safeRange
            #expect(range.lowerBound >= -largest && range.upperBound <= largest)
        }
    }

    @Test(arguments: [0, -1, 2, .nan, .infinity])
    func budgetsAreReasonable(budget: Double) throws {
        let engine = try TinyModel("llama").engine(in: folder)
        #expect(throws: TillerError.self) {
            try ProfileCalibrator(
                engine: engine, pairs: pairs(2, seed: 1), budget: budget, maximumPairCount: 2)
        }
    }

    // MARK: - Gates

    @Test func aGateOpensHalfwayBetweenBothSides() throws {
        let engine = try TinyModel("gemma3").engine(in: folder)
        let profile = try train(.add, engine)
        let direction = profile.vectors[0].unitNorm
        let found = try GateThreshold.measure(
            pairs(24, seed: 2), engine: engine, layer: 2, direction: direction,
            rms: profile.residualRMS[2], progress: { _, _ in })
        #expect(found.comparison == .above && found.accuracy > 0.9)
        #expect(found.negativeMean < Double(found.threshold) && Double(found.threshold) < found.positiveMean)
        let reversed = try GateThreshold.measure(
            pairs(24, seed: 2), engine: engine, layer: 2, direction: direction.map { -$0 },
            rms: profile.residualRMS[2], progress: { _, _ in })
        #expect(reversed.comparison == .below && reversed.accuracy == found.accuracy)
    }
}
