// SPDX-License-Identifier: Apache-2.0
// A target learns from an expert of another family, width and depth: what is found, that it is repeatable, and what is
// refused.

import Directions
import Evaluation
import ExpertSteer
import Formats
import LinearAlgebra
import ModelFixtures
import Platform
import Steering
import TestSupport
import Testing
import Tiller

struct ExpertTrainerTests {
    private let folder = TemporaryFolder()

    init() throws { try LinearAlgebra.load() }

    /// Texts of different letters: a model with tied embeddings expects what it has read.
    private func pairs(_ count: Int, seed: UInt64 = 1) -> [ContrastivePair] {
        var random = SeededGenerator(seed: seed)
        func text(_ letters: [String]) -> String {
            (0..<12).map { _ in letters.randomElement(using: &random) ?? "" }.joined(separator: " ")
        }
        return (0..<count).map { _ in
            ContrastivePair(positive: text(["a", "e", "i"]), negative: text(["t", "s", "n"]))
        }
    }

    private func reading(
        _ list: Corpus, target: Engine, _ expert: ExpertSource, position: PositionRule = .mean,
        maximumPairCount: Int = 512
    ) throws -> PairedCapture.Result {
        try PairedCapture(list: list, position: position, progress: { _, _, _ in }).read(
            target: target, maximumPairCount: maximumPairCount, maximumTextCount: 1024, expert: { expert })
    }

    private func train(
        _ reading: PairedCapture.Result, target: Engine, _ change: (inout ExpertOptions) -> Void = { _ in }
    ) throws -> TrainedExpert {
        var options = ExpertOptions(name: "vowels")
        change(&options)
        let gap = try ExpertiseGap.measure(
            reading.states, seed: options.seed, threadCount: target.threadCount, progress: { _, _, _ in })
        return try ExpertTrainer(engine: target, options: options, reading: reading, progress: { _, _, _ in })
            .train(gap: gap)
    }

    private func target(threads: Int = 2) throws -> Engine {
        try TinyModel("gemma3").engine(in: folder) { $0.threads = threads }
    }

    private func expert(_ name: String = "llama") throws -> ExpertSource {
        .model(try TinyModel(name).engine(in: folder))
    }

    @Test(arguments: ExpertAlignment.allCases)
    func everyAlignmentGivesAProfileThatSteers(align: ExpertAlignment) throws {
        let target = try target()
        let list = try Corpus(
            pairs: pairs(40), texts: pairs(24, seed: 5).map { "A text: \($0.positive), and \($0.negative)." })
        let reading = try reading(list, target: target, expert())
        let trained = try train(reading, target: target) { $0.align = align }
        let profile = trained.profile
        #expect(profile.method == "expert-steer \(align.rawValue) rfm")
        #expect(profile.recommendedStrength > 0 && profile.maximumStrength >= profile.recommendedStrength)
        #expect(profile.evaluation["gap"]?["verdict"]?.stringValue != nil)
        #expect(profile.provenance["texts"]?.intValue == 24 && profile.provenance["date"] == nil)
        for vector in profile.vectors {
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs(norm - 1) < 1e-4)
        }
        let warnsOfAxes = trained.report.warnings.contains { $0.contains("arbitrary") }
        #expect(warnsOfAxes == (align == .autoencoder))
        let hasControl = trained.report.effect(of: .rotated) != nil
        #expect(hasControl == (align != .expertScore))
        // What is tied to the target finds its own direction.
        if align == .expertScore || align == .ridge {
            for pair in trained.report.pairs {
                #expect((pair.diagnostics.cosineWithMeanDifference ?? 0) > 0.5, "\(align)")
            }
        }
        // It survives the file.
        let path = try TinyModel("gemma3").convert(in: folder)
        try TillerProfileStore.add(profile, in: path)
        #expect(try Engine(path: path).profile(named: "vowels") == profile)
        for picture in trained.report.pictures {
            #expect(picture.document.hasPrefix("<svg") || picture.document.hasPrefix("<?xml"))
        }
    }

    @Test(arguments: PairingPolicy.allCases, [DirectionMethod.probe, .pca, .meanDifference])
    func everyPairingAndVectorIsThere(pairing: PairingPolicy, vector: DirectionMethod) throws {
        let target = try target()
        let reading = try reading(Corpus(pairs: pairs(24)), target: target, expert("qwen3"))
        let trained = try train(reading, target: target) {
            $0.pairing = pairing
            $0.vector = vector
        }
        #expect(!trained.report.pairs.isEmpty)
    }

    /// The same bytes, whatever computes them, whenever and from whichever shards.
    @Test(arguments: [ExpertAlignment.expertScore, .ridge, .autoencoder])
    func theSameSeedGivesTheSameBytes(align: ExpertAlignment) throws {
        let list = try Corpus(pairs: pairs(40))
        var found: [[UInt8]] = []
        for threads in [1, 2, 4] {
            let target = try target(threads: threads)
            let expert = try TinyModel("llama").engine(in: folder) { $0.threads = threads }
            let reading = try reading(list, target: target, .model(expert))
            let profile = try train(reading, target: target) {
                $0.align = align
                $0.seed = 7
            }.profile
            found.append(try TillerProfileFile.bytes(of: profile))
        }
        // From shards of the expert's states.
        let capture = try ActivationCapture(
            engine: TinyModel("llama").engine(in: folder), position: .mean)
        var paths: [String] = []
        for index in [2, 3, 1] {
            paths.append("\(folder.path)/shard-\(index)")
            let shard = try #require(ActivationShard("\(index)/3"))
            try capture.capture(list, shard: shard, to: paths[paths.count - 1], replaceExisting: true)
        }
        let target = try target()
        let reading = try reading(list, target: target, .harvested(ActivationSet(paths: paths)))
        let profile = try train(reading, target: target) {
            $0.align = align
            $0.seed = 7
        }.profile
        found.append(try TillerProfileFile.bytes(of: profile))
        for bytes in found { #expect(bytes == found[0]) }
    }

    @Test func theGapSaysWhenAnExpertHasNothingToTeach() throws {
        let target = try target()
        let reading = try reading(Corpus(pairs: pairs(40)), target: target, expert("gemma3"))
        let gap = try ExpertiseGap.measure(reading.states, seed: 0, threadCount: 2, progress: { _, _, _ in })
        #expect(!gap.expertHasSomethingToTeach && abs(gap.difference) < 1e-9)
        #expect(gap.json["verdict"]?.stringValue == gap.verdict.rawValue)
        #expect(gap.expert.count == reading.states.expert.layerCount)
    }

    @Test func fixedAnswersAreBalanced() throws {
        var pairs = (0..<12).map { ContrastivePair(prompt: "\($0)?", positive: "Yes", negative: "No") }
        pairs += (12..<30).map { ContrastivePair(prompt: "\($0)?", positive: "No", negative: "Yes") }
        let list = try Corpus(pairs: pairs)
        let read = try reading(list, target: target(), expert(), position: .last).list
        #expect(
            read.pairs.count { $0.positive == "Yes" } == 12 && read.pairs.count { $0.positive == "No" } == 12)
    }

    @Test func whatCannotTeachIsRefused() throws {
        let target = try target()
        func refusal(_ pairs: [ContrastivePair], _ position: PositionRule = .mean) throws -> String {
            let list = try Corpus(pairs: pairs)
            let error = #expect(throws: TillerError.self) {
                _ = try reading(list, target: target, expert(), position: position)
            }
            return error?.description ?? ""
        }
        #expect(try refusal(pairs(8)).contains("expected at least 16"))
        #expect(try refusal(pairs(40), .after(marker: "zebra")).contains("0 pairs can be read"))
        let same = Array(repeating: pairs(1)[0], count: 20)
        #expect(try refusal(same).contains("identical"))

        // States of other texts, or of another position.
        let list = try Corpus(pairs: pairs(20))
        let path = "\(folder.path)/other"
        try ActivationCapture(engine: TinyModel("llama").engine(in: folder), position: .last)
            .capture(list, to: path, replaceExisting: true)
        let harvested = ExpertSource.harvested(try ActivationSet(paths: [path]))
        for (other, word) in [(pairs(21), "other texts"), (pairs(20), "position 'last'")] {
            let error = #expect(throws: TillerError.self) {
                _ = try reading(Corpus(pairs: other), target: target, harvested)
            }
            #expect(error?.description.contains(word) == true)
        }
        for layers in [[0, 99], [-1], []] {
            var options = ExpertOptions(name: "x")
            options.layers = layers
            #expect(throws: TillerError.self) { try ExpertTrainer.check(options, layerCount: 4) }
        }
    }
}
