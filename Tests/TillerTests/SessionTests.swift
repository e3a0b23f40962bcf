// SPDX-License-Identifier: Apache-2.0
// A session's timeline: whatever way leads to the same tokens and steering leads to the same logits.

import ModelFixtures
import Formats
import Platform
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct SessionTests {
    /// A model with two made-up profiles in its file.
    private func steeredEngine(_ name: String, in folder: TemporaryFolder) throws -> (Engine, TinyModel) {
        let model = try TinyModel(name)
        let path = try model.convert(in: folder)
        let file = try TillerFile(path: path)
        let configuration = file.manifest.configuration
        var random = SeededGenerator(seed: 4)
        func profile(_ name: String, phase: SteeringProfile.Phase, _ operations: [SteeringProfile.Operation])
            -> SteeringProfile
        {
            let vector = (0..<configuration.hiddenSize).map { _ in random.nextNormal() }
            return SteeringProfile(
                name: name, description: "", sourceHash: file.manifest.source.sha256,
                hiddenSize: configuration.hiddenSize, layerCount: configuration.layerCount, method: "test",
                phase: phase, operations: operations,
                residualRMS: Array(repeating: 1, count: configuration.layerCount), recommendedStrength: 1,
                minimumStrength: -1, maximumStrength: 1,
                vectors: [vector.unitNorm])
        }
        try TillerProfileStore.add(
            profile(
                "everything", phase: .both,
                [
                    .init(.add, layer: 0, vector: 0, coefficient: 2),
                    .init(.projectOut, site: .attentionOutput, layer: 1, vector: 0),
                    .init(
                        .clamp(target: 0.2, .whenBelow), site: .feedForwardOutput, layer: 1, vector: 0,
                        keepsNorm: true),
                ]), in: path)
        try TillerProfileStore.add(
            profile("late", phase: .generation, [.init(.add, layer: 1, vector: 0, coefficient: 4)]), in: path)
        return (try Engine(path: path), model)
    }

    private func logits(_ session: Session, _ tokens: some Collection<Int32>) throws -> [Float] {
        try session.evaluate(Array(tokens))
        return session.currentLogits
    }

    @Test func strengthZeroIsBitIdenticalToNone() throws {
        let folder = TemporaryFolder()
        let (engine, model) = try steeredEngine("llama", in: folder)
        let plain = try logits(engine.makeSession(), model.tokens)
        let session = try engine.makeSession()
        try session.steer([AppliedProfile("everything", strength: 0), AppliedProfile("late", strength: 0)])
        #expect(try logits(session, model.tokens) == plain)
        try session.steer([AppliedProfile("everything", strength: 1)])
        session.rewind(to: 0)
        #expect(try logits(session, model.tokens) != plain)
    }

    @Test func changingTheSteeringRecomputesWhatIsCached() throws {
        let folder = TemporaryFolder()
        let (engine, model) = try steeredEngine("gemma3", in: folder)
        let fresh = try engine.makeSession()
        try fresh.steer([AppliedProfile("everything")])
        let expected = try logits(fresh, model.tokens)

        let changed = try engine.makeSession()
        try changed.evaluate(Array(model.tokens.dropLast()))
        try changed.steer([AppliedProfile("everything")])
        #expect(try logits(changed, model.tokens.suffix(1)) == expected)
    }

    @Test func aProfileForGenerationLeavesThePromptAlone() throws {
        let folder = TemporaryFolder()
        let (engine, model) = try steeredEngine("llama", in: folder)
        let session = try engine.makeSession()
        try session.steer([AppliedProfile("late")])
        #expect(try logits(session, model.tokens) == logits(engine.makeSession(), model.tokens))
        var options = GenerationOptions()
        options.sampling = .greedy
        options.maximumTokens = 12
        options.ignoresEndOfGeneration = true
        let steered = try session.generate(options).tokens
        let plain = try engine.makeSession()
        try plain.evaluate(model.tokens)
        #expect(try plain.generate(options).tokens != steered)
    }

    @Test func rewindingForgetsEverythingAfterwards() throws {
        let folder = TemporaryFolder()
        let (engine, model) = try steeredEngine("qwen2", in: folder)
        let expected = try logits(engine.makeSession(), model.tokens)
        let session = try engine.makeSession()
        try session.evaluate(Array(model.tokens.prefix(20)) + [1, 2, 3, 4, 5])
        session.rewind(to: 20)
        #expect(try logits(session, model.tokens.dropFirst(20)) == expected)
        try session.advance(to: Array(model.tokens.prefix(10)) + [7])
        try session.advance(to: model.tokens)
        #expect(session.currentLogits == expected)
    }

    @Test func aForkIsIndependent() throws {
        let folder = TemporaryFolder()
        let (engine, model) = try steeredEngine("qwen3", in: folder)
        let expected = try logits(engine.makeSession(), model.tokens)
        let first = try engine.makeSession()
        try first.evaluate(Array(model.tokens.prefix(30)))
        let second = try first.fork()
        try first.evaluate([9, 9, 9])
        #expect(try logits(second, model.tokens.dropFirst(30)) == expected)
    }

    @Test func aFullContextIsAnErrorThatLosesNothing() throws {
        let folder = TemporaryFolder()
        let (engine, model) = try steeredEngine("llama", in: folder)
        let session = try engine.makeSession(contextLength: 10)
        try session.evaluate(Array(model.tokens.prefix(8)))
        #expect(throws: TillerError.contextOverflow(needed: 5, available: 2)) {
            try session.evaluate([1, 2, 3, 4, 5])
        }
        #expect(session.tokens.count == 8)
        var options = GenerationOptions()
        options.ignoresEndOfGeneration = true
        options.sampling.seed = 1
        let result = try session.generate(options)
        #expect(result.stopReason == .contextFull)
        #expect(result.tokens.count == 2)
    }

    @Test func unknownProfilesAndTokensAreRefused() throws {
        let folder = TemporaryFolder()
        let (engine, _) = try steeredEngine("llama", in: folder)
        let session = try engine.makeSession()
        #expect(
            throws: TillerError.invalidProfile(
                "there is no profile 'nothing' in this file; it has: everything, late")
        ) { try session.steer([AppliedProfile("nothing")]) }
        #expect(throws: TillerError.self) { try session.evaluate([100_000]) }
        #expect(throws: TillerError.self) { try session.evaluate([-1]) }
        #expect(session.tokens.isEmpty)
    }

    @Test func theSameSeedGeneratesTheSame() throws {
        let folder = TemporaryFolder()
        let (engine, model) = try steeredEngine("llama3", in: folder)
        var options = GenerationOptions()
        options.sampling.seed = 42
        options.maximumTokens = 20
        options.ignoresEndOfGeneration = true
        let results = try (0..<2).map { _ in
            let session = try engine.makeSession()
            try session.evaluate(model.greedyPrompt)
            return try session.generate(options).tokens
        }
        #expect(results[0] == results[1])
    }

    @Test func anEvaluationEndsBeforeTheLayerThatSomebodyStopsAt() throws {
        let folder = TemporaryFolder()
        let (engine, model) = try steeredEngine("llama", in: folder)
        let layerCount = engine.file.manifest.configuration.layerCount
        // One look before the run of tokens, one before each layer.
        for limit in 0...layerCount + 1 {
            let session = try engine.makeSession()
            var looks = 0
            try session.evaluate(model.tokens) {
                looks += 1
                return looks <= limit
            }
            #expect(session.currentLogits.isEmpty == (limit <= layerCount))
            #expect(session.cachedTokenCount == (limit <= layerCount ? 0 : model.tokens.count))
            #expect(looks == min(limit, layerCount) + 1)
        }
    }

    /// The text of a token that ends inside a character or a possible stop string is complete only later; the token is reported
    /// once all the same.
    @Test(arguments: ["", "no such text"], [StopReason.maximumTokens, .contextFull, .endOfTurn, .cancelled])
    func eachTokenIsReportedOnce(stop: String, reason: StopReason) throws {
        let folder = TemporaryFolder()
        let (engine, _) = try steeredEngine("llama", in: folder)
        // Tokens of single bytes: most are beginnings of characters that never end.
        let bytes = (0..<Int32(engine.vocabularySize)).filter { engine.decode([$0]) == "\u{FFFD}" }
        #expect(bytes.count > 100)
        let ends = (0..<Int32(engine.vocabularySize)).filter { engine.isEndOfGeneration($0) }
        func session() throws -> Session {
            let session = try engine.makeSession(contextLength: reason == .contextFull ? 16 : 64)
            try session.evaluate([1, 2, 3])
            return session
        }
        var (held, heldAtTheEnd, ended) = (0, 0, 0)
        for seed in 0..<60 {
            let current = try session()
            var options = GenerationOptions()
            options.sampling.seed = UInt64(seed)
            options.sampling.temperature = 1.5
            options.maximumTokens = reason == .maximumTokens ? 12 : 40
            options.ignoresEndOfGeneration = reason != .endOfTurn
            options.reportsLogProbabilities = true
            // Every letter may begin a stop string, which never comes.
            options.stopStrings = stop.isEmpty ? [] : "abcdefghijklmnopqrstuvwxyz".map { "\($0)\(stop)" }
            for token in bytes { options.sampling.logitBias[token] = 3 }
            if reason == .endOfTurn { for token in ends { options.sampling.logitBias[token] = 8 } }
            var reports: [GeneratedToken] = []
            let result = try current.generate(options) { token in
                reports.append(token)
                return reason != .cancelled || reports.count < 9
            }
            ended += result.stopReason == reason ? 1 : 0
            #expect(reports.map(\.token) == result.tokens)
            #expect(reports.compactMap(\.logProbability) == result.logProbabilities)
            #expect(current.tokens == [1, 2, 3] + result.tokens)
            if reason != .cancelled { #expect(reports.map(\.text).joined() == result.text) }
            options.stopStrings = []
            if reason != .cancelled {
                #expect(try session().generate(options).text == result.text, "no stop string came")
            }
            held += reports.count { $0.text.isEmpty }
            heldAtTheEnd += result.text.hasSuffix("\u{FFFD}") ? 1 : 0
        }
        #expect(held > 20 && heldAtTheEnd > 5 && ended > 40, "\(held), \(heldAtTheEnd), \(ended)")
    }

    @Test func aStopThatNamesASpecialTokenEndsBeforeIt() throws {
        let folder = TemporaryFolder()
        let engine = try TinyModel("llama").engine(in: folder)
        let special = try #require(
            (0..<Int32(engine.tokenizer.vocabularySize)).first {
                engine.tokenizer.isSpecial($0) && !engine.isEndOfGeneration($0)
                    && engine.tokenizer.type(of: $0) == .control
            })
        let name = engine.tokenizer.text(of: special)
        var options = GenerationOptions()
        options.sampling = .greedy
        options.sampling.logitBias = [special: 1000]
        options.maximumTokens = 5
        func generate(_ change: (inout GenerationOptions) -> Void) throws -> (GenerationResult, Session) {
            var options = options
            change(&options)
            let session = try engine.makeSession(contextLength: 32)
            try session.evaluate([5, 6])
            return (try session.generate(options), session)
        }
        let (all, _) = try generate { _ in }
        #expect(all.tokens == [Int32](repeating: special, count: 5) && all.stopReason == .maximumTokens)
        let (stopped, session) = try generate { $0.stopStrings = ["never", name] }
        #expect(stopped.tokens.isEmpty && stopped.text.isEmpty && stopped.stopReason == .stopString)
        #expect(session.tokens == [5, 6])
        // Part of its name is text, which is not shown.
        #expect(try generate { $0.stopStrings = [String(name.dropLast())] }.0.stopReason == .maximumTokens)
        // Twice in a row: the first one belongs to the stop as well.
        let (twice, _) = try generate { $0.stopStrings = [name + name] }
        #expect(twice.tokens.count == 1 && twice.text.isEmpty && twice.stopReason == .stopString)
        let (shown, _) = try generate { ($0.stopStrings, $0.showsSpecialTokens) = ([name], true) }
        #expect(shown.text.isEmpty && shown.stopReason == .stopString)
    }
}
