// SPDX-License-Identifier: Apache-2.0
// Strengths are chosen on one text, and what they cost is told by another; figures are computed again here from all logits.

import Evaluation
import Formats
import Glibc
import ModelFixtures
import Steering
import TestSupport
import Testing
import Tiller
import Training

struct NeutralTextTests {
    private let folder = TemporaryFolder()

    private func pairs(_ count: Int) -> [ContrastivePair] {
        var random = SeededGenerator(seed: 2)
        func text(_ letters: [String]) -> String {
            (0..<10).map { _ in letters.randomElement(using: &random) ?? "" }.joined(separator: " ")
        }
        return (0..<count).map { _ in
            ContrastivePair(prompt: nil, positive: text(["a", "e", "i"]), negative: text(["t", "s", "n"]))
        }
    }

    /// KL(plain ‖ steered) and the rise of −ln P over a text, in nats per token, in Float64 over the whole vocabulary.
    private func damage(
        of profile: SteeringProfile, strength: Float, over text: NeutralText, _ engine: Engine
    ) throws -> (divergence: Double, lossRise: Double) {
        let session = try engine.makeSession(contextLength: NeutralText.tokenLimit)
        func rows(_ tokens: [Int32], _ plan: SteeringPlan) -> [[Double]] {
            session.setPlan(plan)
            var rows: [[Double]] = []
            session.evaluateAllLogits(tokens) { _, logits in
                let largest = Double(logits.max() ?? 0)
                let sum = logits.reduce(0.0) { $0 + exp(Double($1) - largest) }
                rows.append(logits.map { Double($0) - largest - log(sum) })
            }
            return rows
        }
        let plan = SteeringPlan(
            active: [ActiveProfile(profile: profile, strength: strength)],
            layerCount: engine.model.configuration.layerCount)
        var divergences: [Double] = [], rises: [Double] = []
        for tokens in text.tokens(engine) {
            let (plain, steered) = (rows(tokens, .none), rows(tokens, plan))
            for position in tokens.indices {
                let (p, q) = (plain[position], steered[position])
                divergences.append(zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) })
                guard position + 1 < tokens.count else { continue }
                rises.append(p[Int(tokens[position + 1])] - q[Int(tokens[position + 1])])
            }
        }
        return (RunningMean(divergences).mean, RunningMean(rises).mean)
    }

    @Test func bothTextsAreLongOfSeveralKindsAndApart() throws {
        let engine = try TinyModel("llama").engine(in: folder)
        for text in [NeutralText.choosing, .measuring] {
            #expect(text.passages.count >= 4)
            #expect(text.tokens(engine).joined().count > 400)
            #expect(text.passages.allSatisfy { $0.utf8.count >= 300 })
            #expect(text.passages.allSatisfy { $0.split(whereSeparator: \.isWhitespace).count >= 30 })
        }
        // No line of five words stands in both.
        func phrases(_ text: NeutralText) -> Set<[Substring]> {
            Set(
                text.passages.flatMap { passage in
                    let words = passage.split(whereSeparator: \.isWhitespace)
                    return (0..<max(words.count - 4, 0)).map { Array(words[$0..<$0 + 5]) }
                })
        }
        #expect(phrases(.choosing).isDisjoint(with: phrases(.measuring)))
    }

    @Test func theStrengthIsChosenOnOneTextAndItsDamageIsThatOfAnother() throws {
        let engine = try TinyModel("gemma3").engine(in: folder)
        let profile = try ProfileTrainer(engine: engine, options: TrainingOptions(name: "vowels"))
            .train(on: pairs(24), dataHash: "0", progress: { _ in })
        let strength = profile.recommendedStrength
        let chosen = try damage(of: profile, strength: strength, over: .choosing, engine)
        let measured = try damage(of: profile, strength: strength, over: .measuring, engine)
        let spent = max(chosen.divergence, chosen.lossRise)
        #expect(spent <= ProfileMeasurement.budget * 1.11 && spent > ProfileMeasurement.budget * 0.7)
        let recorded = try #require(profile.evaluation["damage_at_recommended"]?.doubleValue)
        // Tokens below e⁻⁹ are taken together there, and logarithms are Float.
        #expect(abs(recorded / max(measured.divergence, measured.lossRise) - 1) < 1e-2)
        let told = max(measured.divergence, measured.lossRise)
        #expect(abs(recorded - told) < abs(recorded - spent), "it is the other text's")
    }

    @Test func curvesTellBoth() throws {
        let engine = try TinyModel("gemma3").engine(in: folder)
        let profile = try ProfileTrainer(engine: engine, options: TrainingOptions(name: "vowels"))
            .train(on: pairs(24), dataHash: "0", progress: { _ in })
        let curve = try ProfileCalibrator(
            engine: engine, pairs: pairs(12), budget: 0.05, maximumPairCount: 12
        ).calibrate(profile, progress: { _, _ in })
        for point in curve.points {
            let chosen = try damage(of: profile, strength: point.strength, over: .choosing, engine)
            let measured = try damage(of: profile, strength: point.strength, over: .measuring, engine)
            #expect(abs(point.spent - chosen.divergence) < 1e-4 + 1e-2 * chosen.divergence)
            #expect(abs(point.damage - measured.divergence) < 1e-4 + 1e-2 * measured.divergence)
            #expect(abs(point.lossRise - measured.lossRise) < 1e-4 + 1e-2 * abs(measured.lossRise))
        }
    }

    @Test func aReceiptsDamageIsThatOfTheTextThatChoseNothing() throws {
        let engine = try TinyModel("gemma3").engine(in: folder)
        let profile = try ProfileTrainer(engine: engine, options: TrainingOptions(name: "vowels"))
            .train(on: pairs(24), dataHash: "0", progress: { _ in })
        let items = pairs(10).enumerated().map { index, pair in
            EvaluationItem(pair: pair, group: "\(index / 2)")
        }
        var options = ReceiptOptions()
        options.controlCount = ReceiptOptions.leastControlCount
        let receipt = try ReceiptMeasurement(
            engine: engine, items: items, dataHash: "ab", options: options
        ).receipt(of: profile)
        let measured = try damage(
            of: profile, strength: profile.recommendedStrength, over: .measuring, engine)
        let kl = try #require(receipt.body["damage"]?["kl"]?.doubleValue)
        #expect(abs(kl / measured.divergence - 1) < 1e-2)
    }
}
