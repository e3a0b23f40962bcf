// SPDX-License-Identifier: Apache-2.0
// Training on a random tiny model: that what is learned from some pairs holds for others, and what is refused.

import Directions
import Evaluation
import Formats
import Glibc
import ModelFixtures
import Steering
import TestSupport
import Testing
import Tiller
import Training

@Suite struct ProfileTrainerTests {
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

    /// One prompt in two answers: Yes is right where the prompt speaks of vowels, No elsewhere.
    private func questions(_ count: Int, seed: UInt64) -> [ContrastivePair] {
        pairs(count, seed: seed).enumerated().map { index, pair in
            index % 2 == 0
                ? ContrastivePair(prompt: pair.positive, positive: "Yes", negative: "No")
                : ContrastivePair(prompt: pair.negative, positive: "No", negative: "Yes")
        }
    }

    /// The family whose head is its embedding.
    private func engine() throws -> Engine { try TinyModel("gemma3").engine(in: folder) }

    private func train(
        _ pairs: [ContrastivePair], _ engine: Engine, _ change: (inout TrainingOptions) -> Void = { _ in }
    ) throws -> SteeringProfile {
        var options = TrainingOptions(name: "vowels")
        change(&options)
        return try ProfileTrainer(engine: engine, options: options)
            .train(on: pairs, dataHash: "0", progress: { _ in })
    }

    @Test(arguments: DirectionMethod.allCases)
    func theSameDataGiveTheSameBytes(method: DirectionMethod) throws {
        let profiles = try (0..<2).map { _ in
            try TillerProfileFile.bytes(of: train(pairs(24, seed: 1), engine()) { $0.method = method })
        }
        #expect(profiles[0] == profiles[1])
    }

    @Test func pairsTogetherScoreAsEachAlone() throws {
        let engine = try engine()
        let profile = try train(pairs(24, seed: 1), engine)
        let active = ActiveProfile(profile: profile, strength: profile.recommendedStrength)
        let steered = SteeringPlan(
            active: [active], layerCount: engine.model.configuration.layerCount)
        let alike = ContrastivePair(
            prompt: "a e i", positive: "t s n t s n a e i", negative: "t s n t s n s")
        let scorer = try PairScorer(engine: engine)
        let all = try (pairs(20, seed: 5) + [alike] + questions(17, seed: 6) + [alike])
            .compactMap(scorer.tokenized)
        for plan in [SteeringPlan.none, steered] {
            var done: [Int] = []
            let together = try scorer.logOdds(of: all, under: plan) { done.append($0) }
            for (pair, logOdds) in zip(all, together) {
                #expect(try scorer.logOdds(of: [pair], under: plan) == [logOdds])
                #expect(try abs(reference(pair, engine, plan) - logOdds) < 1e-4)
            }
            #expect(together.count == 39 && done == done.sorted() && done.last == 39)
        }
    }

    /// ln P of each side over its own tokens, each side from the beginning.
    private func reference(_ pair: TokenizedPair, _ engine: Engine, _ plan: SteeringPlan) throws -> Double {
        let session = try engine.makeSession()
        session.setPlan(plan)
        func mean(_ side: [Int32]) -> Double {
            var sum = 0.0
            session.evaluateAllLogits(side) { position, logits in
                guard position + 1 >= pair.start, position + 1 < side.count else { return }
                let all = logits.map { exp(Double($0)) }
                sum += log(all[Int(side[position + 1])] / all.reduce(0, +))
            }
            return sum / Double(side.count - pair.start)
        }
        return mean(pair.positive) - mean(pair.negative)
    }

    @Test(arguments: DirectionMethod.allCases)
    func raisesTheLogOddsOfPairsThatItHasNotSeen(method: DirectionMethod) throws {
        let engine = try engine()
        let profile = try train(pairs(24, seed: 1), engine) { $0.method = method }
        #expect(profile.recommendedStrength > 0)
        #expect(profile.maximumStrength >= profile.recommendedStrength)
        #expect(profile.minimumStrength == -profile.maximumStrength)

        let scorer = try PairScorer(engine: engine)
        let layerCount = engine.model.configuration.layerCount
        var shifts: [Double] = []
        for pair in try pairs(24, seed: 2).compactMap(scorer.tokenized) {
            func logOdds(_ strength: Float) throws -> Double {
                let active = ActiveProfile(profile: profile, strength: strength)
                return try scorer.logOdds(
                    of: [pair], under: SteeringPlan(active: [active], layerCount: layerCount))[0]
            }
            let plain = try logOdds(0)
            shifts.append(try logOdds(profile.recommendedStrength) - plain)
            #expect(try logOdds(-profile.recommendedStrength) < plain)
        }
        #expect(shifts.count == 24)
        #expect(bootstrapInterval(of: shifts).lowerBound > 0)
    }

    @Test func survivesTheFile() throws {
        let path = try TinyModel("llama").convert(in: folder)
        let engine = try Engine(path: path)
        let profile = try train(pairs(8, seed: 1), engine) { $0.layers = [1] }
        try TillerProfileStore.add(profile, in: path)
        let stored = try Engine(path: path).file.profile(named: "vowels")
        #expect(stored == profile)
    }

    @Test func steersTheLayersThatItIsTold() throws {
        let profile = try train(pairs(8, seed: 1), engine()) {
            $0.layers = [1, 0, 1]
            $0.site = .attentionOutput
            $0.keepsNorm = true
        }
        #expect(profile.operations.map(\.layer) == [0, 1])
        #expect(profile.operations.allSatisfy { $0.site == .attentionOutput && $0.keepsNorm })
    }

    @Test func recordsWhatItWasMadeOf() throws {
        let profile = try train(questions(80, seed: 3), engine())
        #expect(profile.provenance["pairs"] == 80)
        #expect(profile.provenance["positive_answers"]?.arrayValue?.count == 2)
        // Every source and range of layers was tried, and is on record.
        #expect((profile.evaluation["choices"]?.arrayValue?.count ?? 0) >= 2)
    }

    @Test func takesNoMorePairsThanItIsTold() throws {
        let profile = try train(questions(80, seed: 3), engine()) { $0.maximumPairCount = 37 }
        #expect(profile.provenance["pairs"] == 36, "balanced answers come in twos")
    }

    // MARK: - Refusals

    private func refusal(_ body: () throws -> SteeringProfile) -> String {
        do {
            _ = try body()
            return "not refused"
        } catch { return "\(error)" }
    }

    @Test func equalSidesTeachNothing() throws {
        let engine = try engine()
        let same = (0..<8).map { _ in ContrastivePair(positive: "same words", negative: "same words") }
        #expect(refusal { try train(same, engine) }.contains("identical in every pair"))
    }

    @Test func oneMachineNeedsTwoPairs() throws {
        let engine = try engine()
        let error = refusal {
            try train(pairs(1, seed: 1), engine) {
                $0.method = .rfm
                $0.layers = [1]
            }
        }
        #expect(error.contains("layer 1") && error.contains("2 usable rows") && error.contains("at least 4"))
    }

    @Test func sidesWithoutTokensTeachNothing() throws {
        let engine = try engine()
        #expect(
            refusal { try train([ContrastivePair(positive: "", negative: "")], engine) }
                .contains("no pair has a token"))
    }

    @Test(arguments: [[99], [-1, 0], []])
    func layersMustExist(layers: [Int]) throws {
        let engine = try engine()
        #expect(refusal { try train(pairs(2, seed: 1), engine) { $0.layers = layers } }.contains("layers"))
    }

    @Test func sourcesMustExist() throws {
        let engine = try engine()
        #expect(
            refusal { try train(pairs(20, seed: 1), engine) { $0.source = .prompts } }.contains("prompts"))
        #expect(
            refusal { try train(questions(40, seed: 1), engine) { $0.source = .last } }.contains("last"))
        #expect(
            refusal { try train(questions(10, seed: 1), engine) { $0.source = .prompts } }.contains("too few")
        )
    }
}
