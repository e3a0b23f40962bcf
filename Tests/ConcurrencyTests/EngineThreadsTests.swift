// SPDX-License-Identifier: Apache-2.0
// One engine, many threads: each session generates what it generates alone. tools/check/sanitizers runs this folder under Thread
// Sanitizer, so the models are tiny and the texts short.

import Formats
import Kernels
import ModelFixtures
import Platform
import Steering
import TestSupport
import Testing
import Tiller
import Transformer

/// What one thread makes of an engine.
private struct Outcome: Sendable, Equatable {
    var tokens: [Int32]
    var text: String
    var logProbabilities: [Float]
    var divergence: DivergenceSummary?
}

/// Puts a profile of one random direction into a model file, by the name `made-up`.
func addMadeUpProfile(to path: String) throws {
    let file = try TillerFile(path: path)
    let configuration = file.manifest.configuration
    var random = SeededGenerator(seed: 3)
    let profile = SteeringProfile(
        name: "made-up", description: "", sourceHash: file.manifest.source.sha256,
        hiddenSize: configuration.hiddenSize, layerCount: configuration.layerCount, method: "test",
        operations: [.init(.add, layer: 0, vector: 0, coefficient: 2)],
        residualRMS: Array(repeating: 1, count: configuration.layerCount), recommendedStrength: 1,
        minimumStrength: -4, maximumStrength: 4,
        vectors: [(0..<configuration.hiddenSize).map { _ in random.nextNormal() }.unitNorm])
    try TillerProfileStore.add(profile, in: path)
}

@Suite(.serialized) struct EngineThreadsTests {
    private let folder = TemporaryFolder()

    private func engine(vocabulary: Int, threads: Int = 2, smallWork: Int? = nil) throws -> Engine {
        let path = try modelWithVocabulary(of: vocabulary, in: folder)
        try addMadeUpProfile(to: path)
        var options = Engine.Options()
        options.threads = threads
        if let smallWork { options.smallWork = smallWork }
        return try Engine(path: path, options: options)
    }

    /// Each index another prompt and other options: greedy, drawn, penalized, steered within a bound.
    @Sendable private static func generate(_ engine: Engine, _ index: Int) throws -> Outcome {
        let session = try engine.makeSession(contextLength: 64)
        var options = GenerationOptions()
        options.maximumTokens = 16
        options.ignoresEndOfGeneration = true
        options.sampling.seed = UInt64(index)
        switch index % 4 {
        case 0: options.sampling = .greedy
        case 1: (options.sampling.topK, options.sampling.minP) = (0, 0)
        case 2:
            options.sampling.repetitionPenalty = 1.3
            options.reportsLogProbabilities = true
        default:
            try session.steer([AppliedProfile("made-up")])
            options.maximumDivergence = 0.2
        }
        try session.evaluate((0..<5 + 3 * index).map { Int32(($0 * 37 + 11 * index) % 280) })
        let result = try session.generate(options)
        return Outcome(
            tokens: result.tokens, text: result.text, logProbabilities: result.logProbabilities,
            divergence: result.divergence)
    }

    @Test(arguments: [290, 33_000], [nil, 0])
    func eightThreadsGenerateWhatEachGeneratesAlone(vocabulary: Int, smallWork: Int?) throws {
        let engine = try engine(vocabulary: vocabulary, smallWork: smallWork)
        let alone = try (0..<8).map { try Self.generate(engine, $0) }
        #expect(Set(alone.map(\.tokens)).count > 4, "the texts must be able to differ")
        // A race needs its moment.
        for _ in 0..<2 {
            let together = try onThreads(8) { try Self.generate(engine, $0) }
            for index in alone.indices { #expect(together[index] == alone[index], "thread \(index)") }
        }
    }

    @Test func longPromptsAndShortAnswersTakeTurns() throws {
        let engine = try engine(vocabulary: 33_000)
        let alone = try (0..<4).map { try Self.generate(engine, $0) }
        let prompt = (0..<300).map { Int32($0 * 17 % 280) }
        @Sendable func read() throws -> [Float] {
            let session = try engine.makeSession(contextLength: 320)
            try session.evaluate(prompt)
            return session.currentLogits
        }
        let expected = try read()
        let found = try onThreads(8) { index -> (Outcome?, [Float]?) in
            index < 4 ? (try Self.generate(engine, index), nil) : (nil, try read())
        }
        for index in 0..<4 { #expect(found[index].0 == alone[index], "thread \(index)") }
        for index in 4..<8 { #expect(found[index].1 == expected, "thread \(index)") }
    }

    /// As what measures a change of weights does: a forward pass of its own, with scratch memory of its own, on an engine's threads.
    @Test func aSecondForwardPassMayUseAnEnginesThreads() throws {
        let engine = try engine(vocabulary: 33_000)
        let alone = try Self.generate(engine, 1)
        @Sendable func evaluate() -> [Float] {
            let pass = granted(try ForwardPass(model: engine.model, compute: engine.compute))
            let state = granted(
                try SequenceState(engine.model.configuration, capacity: 64, encoding: engine.cacheEncoding))
            var logits: [Float] = []
            (0..<40).map { Int32($0 * 7) }.withUnsafeBufferPointer { tokens in
                pass.evaluate(
                    tokens, state: state, ForwardOptions(firstPosition: 0),
                    request: .all { _, row in logits += row.prefix(3) })
            }
            return logits
        }
        let expected = evaluate()
        let found = try onThreads(4) { index -> (Outcome?, [Float]?) in
            index % 2 == 0 ? (try Self.generate(engine, 1), nil) : (nil, evaluate())
        }
        #expect(found[0].0 == alone && found[2].0 == alone)
        #expect(found[1].1 == expected && found[3].1 == expected)
    }

    @Test func operationsWithoutScratchRunBetweenTheStepsOfABatch() throws {
        let compute = granted(try Compute(kernels: .best, threadCount: 2, smallWork: 0))
        let count = 5_000
        let counts = try onThreads(4) { thread -> Int in
            let x = AlignedBuffer<Float>.granted(count: count),
                largest = AlignedBuffer<Float>.granted(count: 5)
            for index in 0..<count { x[index] = Float(index % 1000 + thread) }
            var right = 0
            for _ in 0..<300 {
                for block in 0..<5 { largest[block] = -1 }
                compute.findLargest(
                    ofBlocks: UnsafeBufferPointer(x.elements), size: 1000, into: largest.elements)
                if (0..<5).allSatisfy({ largest[$0] == Float(999 + thread) }) { right += 1 }
            }
            return right
        }
        #expect(counts == [300, 300, 300, 300])
    }
}
