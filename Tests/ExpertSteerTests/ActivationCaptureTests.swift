// SPDX-License-Identifier: Apache-2.0
// States are those of the positions that the rule names; shards and threads change nothing.

import Evaluation
import ExpertSteer
import Formats
import ModelFixtures
import Platform
import TestSupport
import Testing
import Tiller
import Transformer

struct ActivationCaptureTests {
    private let folder = TemporaryFolder()
    private let pairs = [
        ContrastivePair(positive: "one two three four", negative: "a b c d e f"),
        ContrastivePair(prompt: "Who is there?", positive: "It is me, a friend", negative: "Nobody"),
        ContrastivePair(positive: "the cat: sat", negative: "the dog: ran away"),
        ContrastivePair(positive: "x", negative: ""),
    ]

    private func list() throws -> Corpus {
        try Corpus(pairs: pairs, texts: ["The plainest of texts.", "And another: one more."])
    }

    private func capture(
        _ engine: Engine, _ rule: String, shards: Int = 1, layers: [Int]? = nil
    ) throws -> ActivationSet {
        let position = try #require(PositionRule(rule))
        let capture = try ActivationCapture(engine: engine, position: position, layers: layers)
        var paths: [String] = []
        for index in (1...shards).reversed() {
            paths.append("\(folder.path)/\(index)-of-\(shards).safetensors")
            let shard = try #require(ActivationShard("\(index)/\(shards)"))
            try capture.capture(try list(), shard: shard, to: paths[paths.count - 1], replaceExisting: true)
        }
        return try ActivationSet(paths: paths)
    }

    /// The mean state of positions, by a pass of its own.
    private func state(
        _ engine: Engine, _ tokens: [Int32], _ positions: Range<Int>, layer: Int
    ) throws -> [Float] {
        let configuration = engine.model.configuration
        let recorder = ResidualRecorder(
            layerCount: configuration.layerCount, hiddenSize: configuration.hiddenSize, positions: positions)
        try engine.makeSession(contextLength: 64).record(tokens, with: recorder)
        return recorder.mean(layer: layer)
    }

    private func row(_ set: ActivationSet, _ index: Int, layer: Int) -> [Float] {
        let width = set.header.width
        return Array(set.states(layer: layer)[index * width..<(index + 1) * width])
    }

    @Test(arguments: ["llama", "gemma3"])
    func statesAreThoseOfTheRulesPositions(model: String) throws {
        let engine = try TinyModel(model).engine(in: folder)
        let (last, mean) = (try capture(engine, "last"), try capture(engine, "mean"))
        #expect(last.header.model == engine.modelName && last.header.pairCount == 4)
        let plain = engine.encode(pairs[0].positive)
        let question = try engine.encode(conversation: [Message(role: "user", content: "Who is there?")])
        let answer = question + engine.encode(pairs[1].positive, addingSpecial: false)
        for layer in last.layers {
            for (index, tokens, start) in [(0, plain, 1), (2, answer, question.count)] {
                let end = tokens.count
                let expected = [
                    (last, try state(engine, tokens, end - 1..<end, layer: layer)),
                    (mean, try state(engine, tokens, start..<end, layer: layer)),
                ]
                for (set, state) in expected {
                    let difference = largestDifference(row(set, index, layer: layer), state)
                    #expect(difference <= 1e-4 * (1 + (state.map(abs).max() ?? 0)))
                }
            }
        }
        #expect(last.tokenCounts[0] == 1 && mean.tokenCounts[0] == plain.count - 1)
    }

    @Test func aMarkersTokenIsTheFirstBehindIt() throws {
        let engine = try TinyModel("llama").engine(in: folder)
        let set = try capture(engine, "after:: ", layers: [0])
        // Sides of pair 2 and the second text hold it, and nothing else does.
        #expect(set.tokenCounts == [0, 0, 0, 0, 1, 1, 0, 0, 0, 1])
        let tokens = engine.encode(pairs[2].positive)
        let position = try #require(
            tokens.indices.first { engine.decode(Array(tokens[...$0])).utf8.count > "the cat: ".utf8.count })
        #expect(row(set, 4, layer: 0) == (try state(engine, tokens, position..<position + 1, layer: 0)))
    }

    @Test func thePositionThatEveryTextBeginsWithIsNeverRead() throws {
        for model in ["llama", "gemma3", "qwen2"] {
            let engine = try TinyModel(model).engine(in: folder)
            let set = try capture(engine, "mean")
            let own = engine.encode("x").count - 1
            // A text of one token that stands at position 0, and an empty one.
            #expect(set.tokenCounts[6] == max(own, 0) && set.tokenCounts[7] == 0)
        }
    }

    @Test(arguments: ["mean", "last"])
    func shardsAndThreadsChangeNothing(rule: String) throws {
        let whole = try capture(TinyModel("llama").engine(in: folder) { $0.threads = 1 }, rule)
        for (shards, threads) in [(1, 4), (2, 2), (3, 1), (4, 3)] {
            let engine = try TinyModel("llama").engine(in: folder) { $0.threads = threads }
            let set = try capture(engine, rule, shards: shards)
            #expect(set.rows == whole.rows && set.tokenCounts == whole.tokenCounts)
            for layer in whole.layers { #expect(set.states(layer: layer) == whole.states(layer: layer)) }
        }
    }

    @Test func modelsWithOtherTokenizersReadTheSameRows() throws {
        let a = try capture(TinyModel("llama").engine(in: folder), "mean")
        let b = try capture(TinyModel("gemma3").engine(in: folder), "mean")
        #expect(a.rows == b.rows && a.header.dataHash == b.header.dataHash)
        #expect(a.header.sourceHash != b.header.sourceHash)
    }

    @Test func whatCannotBeCapturedLeavesNoFile() throws {
        let engine = try TinyModel("llama").engine(in: folder)
        #expect(throws: TillerError.self) {
            try ActivationCapture(engine: engine, position: .mean, layers: [0, 99])
        }
        #expect(throws: TillerError.self) {
            try ActivationCapture(engine: engine, position: .mean, layers: [])
        }
        let capture = try ActivationCapture(engine: engine, position: .mean)
        let path = "\(folder.path)/none.safetensors"
        let shard = try #require(ActivationShard("7/7"))
        #expect(throws: TillerError.self) {
            try capture.capture(try list(), shard: shard, to: path, replaceExisting: false)
        }
        #expect(throws: CancellationError.self) {
            try capture.capture(try list(), to: path, replaceExisting: false) { done, _ in
                if done == 3 { throw CancellationError() }
            }
        }
        #expect(throws: FileError.self) { try ActivationFile(path: path) }
        #expect(folder.partialNames.isEmpty)
    }
}
