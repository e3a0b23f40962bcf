// SPDX-License-Identifier: Apache-2.0
// Every operation inside a model: what is cached is what a fresh computation gives, whatever way led there.

import Formats
import ModelFixtures
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct SteeringSessionTests {
    static let kinds = [
        "add", "projectOut", "clamp", "rotate", "rotateTo", "headAdd", "headRotate", "scale", "keepsNorm",
        "tokenGate", "promptGate", "positions",
    ]
    /// Grouped heads; heads together wider than the stream; seven layers with windows and post norms; post norms alone.
    static let models = ["llama", "mistral", "gemma3", "olmo3", "qwen3moe"]

    private let folder = TemporaryFolder()

    /// A made-up profile of each kind, strong enough to be seen.
    func profile(_ kind: String, of file: TillerFile, phase: SteeringProfile.Phase) -> SteeringProfile {
        let configuration = file.manifest.configuration
        let (hidden, last) = (configuration.hiddenSize, configuration.layerCount - 1)
        let headWidth = configuration.headCount * configuration.headSize
        var random = SteeringRandom()
        let v = random.vector(hidden).unitNorm
        let u = random.vector(hidden).unitNorm(orthogonalTo: v)
        let w = random.vector(headWidth).unitNorm
        let x = random.vector(headWidth).unitNorm(orthogonalTo: w)
        let wide = SteeringProfile.rows(of: w, hiddenSize: hidden)
        let second = 2 + wide.count
        func everywhere(_ kind: SteeringProfile.Kind, _ coefficient: Float = 1) -> [SteeringProfile.Operation]
        {
            [
                .init(kind, layer: 0, vector: 0, coefficient: coefficient),
                .init(kind, site: .attentionOutput, layer: last, vector: 1, coefficient: coefficient),
                .init(kind, site: .feedForwardOutput, layer: last, vector: 0, coefficient: coefficient),
            ]
        }
        func heads(_ kind: SteeringProfile.Kind) -> [SteeringProfile.Operation] {
            [0, last].map { .init(kind, site: .headOutputs, layer: $0, vector: 2, width: headWidth) }
        }
        func gated(_ scope: SteeringProfile.Gate.Scope) -> [SteeringProfile.Operation] {
            // About half of all projections are positive.
            let gate = SteeringProfile.Gate(layer: 0, vector: 1, .above, 0, scope: scope)
            return [
                .init(.add, layer: last, vector: 0, coefficient: 4, gate: gate),
                .init(.scale, site: .feedForwardOutput, layer: last, vector: 0, coefficient: 4, gate: gate),
            ]
        }
        var operations: [SteeringProfile.Operation]
        switch kind {
        case "add": operations = everywhere(.add, 2)
        case "projectOut": operations = everywhere(.projectOut)
        case "clamp": operations = everywhere(.clamp(target: 0.5, .whenBelow))
        case "rotate":
            operations = [.init(.rotate(second: 1, target: nil), layer: 0, vector: 0, coefficient: 2)]
        case "rotateTo": operations = [.init(.rotate(second: 1, target: 20), layer: 0, vector: 0)]
        case "headAdd": operations = heads(.add)
        case "headRotate": operations = heads(.rotate(second: second, target: nil))
        case "scale": operations = everywhere(.scale, 3)
        case "keepsNorm":
            operations = everywhere(.add, 2) + everywhere(.scale) + heads(.add)
            for index in operations.indices { operations[index].keepsNorm = true }
        case "tokenGate": operations = gated(.token)
        case "promptGate": operations = gated(.prompt)
        default:
            operations = everywhere(.add, 2)
            operations[0].firstPosition = 2
            operations[1].endPosition = 9
        }
        return SteeringProfile(
            name: kind, description: "", sourceHash: file.manifest.source.sha256, hiddenSize: hidden,
            layerCount: configuration.layerCount, method: "test", phase: phase, operations: operations,
            residualRMS: Array(repeating: 1, count: configuration.layerCount), recommendedStrength: 1,
            minimumStrength: -1, maximumStrength: 1,
            vectors: [v, u] + wide + SteeringProfile.rows(of: x, hiddenSize: hidden))
    }

    func engine(
        _ name: String, _ kind: String, int8: Bool = false, phase: SteeringProfile.Phase = .both,
        threads: Int = 2
    ) throws -> (Engine, TinyModel) {
        let model = try TinyModel(name)
        let path = try model.convert(int8 ? .int8 : .float32, in: folder)
        try TillerProfileStore.add(profile(kind, of: TillerFile(path: path), phase: phase), in: path)
        var options = Engine.Options()
        options.threads = threads
        options.smallWork = 0
        return (try Engine(path: path, options: options), model)
    }

    private var greedy: GenerationOptions {
        var options = GenerationOptions()
        options.sampling = .greedy
        options.maximumTokens = 8
        options.ignoresEndOfGeneration = true
        return options
    }

    /// Prompt, answer, prompt, answer: the logits at the end, and what was generated.
    private func converse(_ session: Session, _ model: TinyModel) throws -> (logits: [Float], tokens: [Int32])
    {
        try session.evaluate(Array(model.tokens.prefix(20)))
        var tokens = try session.generate(greedy).tokens
        try session.evaluate(Array(model.tokens.suffix(5)))
        tokens += try session.generate(greedy).tokens
        try session.evaluate([1])
        return (session.currentLogits, tokens)
    }

    // MARK: - Strength

    @Test(arguments: kinds, models)
    func strengthZeroIsBitIdenticalToOff(kind: String, name: String) throws {
        for int8 in [false, true] {
            let (engine, model) = try engine(name, kind, int8: int8)
            let plain = try converse(engine.makeSession(), model)
            let session = try engine.makeSession()
            try session.steer([AppliedProfile(kind, strength: 0)])
            let off = try converse(session, model)
            #expect(off.logits == plain.logits && off.tokens == plain.tokens)
            // Whether this prompt opens the gate is another question.
            if kind == "promptGate" { continue }
            let steered = try engine.makeSession()
            try steered.steer([AppliedProfile(kind, strength: 1)])
            #expect(try converse(steered, model).logits != plain.logits)
        }
    }

    // MARK: - Caches

    @Test(arguments: kinds, SteeringProfile.Phase.allCases)
    func cachedDecodingIsWhatAFullRecomputationGives(kind: String, phase: SteeringProfile.Phase) throws {
        // A gate that the prompt decides never opens in the prompt.
        if kind == "promptGate", phase == .prompt { return }
        for (name, int8) in [("llama", false), ("mistral", true), ("gemma3", false), ("gemma3", true)] {
            let (engine, model) = try engine(name, kind, int8: int8, phase: phase)
            let session = try engine.makeSession()
            try session.steer([AppliedProfile(kind)])
            let cached = try converse(session, model)
            // Nothing is left of what was cached; phases of tokens stay.
            try session.steer([])
            try session.steer([AppliedProfile(kind)])
            try session.evaluate([])
            #expect(session.currentLogits == cached.logits)

            // A fork goes on alone; what is taken back leaves nothing.
            let fork = try session.fork()
            try session.evaluate([2, 3, 4])
            _ = try fork.generate(greedy)
            fork.rewind(to: session.tokens.count - 3)
            try fork.evaluate([2, 3, 4])
            #expect(fork.currentLogits == session.currentLogits)
            #expect(try fork.generate(greedy).tokens == session.generate(greedy).tokens)
        }
    }

    @Test(arguments: kinds, SteeringProfile.Phase.allCases)
    func changingTheSteeringInMidConversationEqualsHavingHadIt(kind: String, phase: SteeringProfile.Phase)
        throws
    {
        if kind == "promptGate", phase == .prompt { return }
        let (engine, model) = try engine("gemma3", kind, phase: phase)
        let changed = try engine.makeSession()
        try changed.evaluate(Array(model.tokens.prefix(20)))
        let answer = try changed.generate(greedy).tokens
        try changed.steer([AppliedProfile(kind)])
        try changed.evaluate([5])

        let fresh = try engine.makeSession()
        try fresh.evaluate(Array(model.tokens.prefix(20)))
        // The same tokens, generated again without steering, then computed anew under it.
        #expect(try fresh.generate(greedy).tokens == answer)
        try fresh.steer([AppliedProfile(kind, strength: 3)])
        try fresh.evaluate([5])
        try fresh.steer([AppliedProfile(kind)])
        try fresh.evaluate([])
        #expect(fresh.currentLogits == changed.currentLogits)
        try changed.steer([])
        try changed.evaluate([])
        let plain = try engine.makeSession()
        try plain.evaluate(Array(model.tokens.prefix(20)) + answer + [5])
        #expect(changed.currentLogits == plain.currentLogits)
    }

    @Test func aChangeKeepsWhatItDoesNotTouch() throws {
        // What the kind leaves alone of a prompt of 20 tokens and an answer of 8, by phase.
        for (kind, phase, kept) in [
            ("add", SteeringProfile.Phase.both, 0), ("add", .prompt, 0), ("add", .generation, 20),
            ("headAdd", .generation, 20), ("positions", .both, 0), ("tokenGate", .generation, 0),
            ("promptGate", .both, 0),
        ] {
            let (engine, model) = try engine("llama", kind, phase: phase)
            let session = try engine.makeSession()
            try session.evaluate(Array(model.tokens.prefix(20)))
            _ = try session.generate(greedy)
            try session.steer([AppliedProfile(kind)])
            #expect(session.cachedTokenCount == kept, "\(kind), \(phase)")
            try session.evaluate([1])
            try session.steer([])
            // Gates need their readings, to leave takes only what they may have changed.
            let left = ["tokenGate", "promptGate"].contains(kind) ? 20 : kept
            #expect(session.cachedTokenCount == left, "\(kind), \(phase)")
            try session.evaluate([2])
            let plain = try engine.makeSession()
            try plain.evaluate(session.tokens)
            #expect(session.currentLogits == plain.currentLogits)
        }
    }

    @Test func aPromptThatChangesDecidesAnew() throws {
        let (engine, model) = try engine("llama", "promptGate")
        let prompts = (0..<12).map { start in Array(model.tokens.dropFirst(start).prefix(6)) }
        let kept = try engine.makeSession()
        try kept.steer([AppliedProfile("promptGate")])
        var differs = 0
        for prompt in prompts {
            kept.rewind(to: 0)
            try kept.evaluate(prompt)
            let fresh = try engine.makeSession()
            try fresh.steer([AppliedProfile("promptGate")])
            try fresh.evaluate(prompt)
            let plain = try engine.makeSession()
            try plain.evaluate(prompt)
            #expect(kept.currentLogits == plain.currentLogits, "the prompt itself is left alone")
            let tokens = try kept.generate(greedy).tokens
            #expect(try tokens == fresh.generate(greedy).tokens)
            differs += try plain.generate(greedy).tokens == tokens ? 0 : 1
        }
        #expect((1..<prompts.count).contains(differs), "some prompts open the gate, some do not")
    }

    // MARK: - Threads and batches

    @Test(arguments: kinds)
    func theTextDependsOnNeitherThreadsNorBatches(kind: String) throws {
        for (name, int8) in [("llama", true), ("mistral", false), ("gemma3", true)] {
            var texts: Set<[Int32]> = [], logits: Set<[Float]> = []
            for threads in [1, 2, 3] {
                let (engine, model) = try engine(name, kind, int8: int8, threads: threads)
                for size in [1, 7, 20] {
                    let session = try engine.makeSession()
                    try session.steer([AppliedProfile(kind)])
                    let prompt = Array(model.tokens.prefix(20))
                    for start in stride(from: 0, to: 20, by: size) {
                        try session.evaluate(Array(prompt[start..<min(start + size, 20)]))
                    }
                    texts.insert(try session.generate(greedy).tokens)
                    try session.evaluate([1])
                    logits.insert(session.currentLogits)
                }
            }
            #expect(texts.count == 1 && logits.count == 1, "\(name): \(texts)")
        }
    }
}

/// Vectors that are the same in every run.
private struct SteeringRandom {
    private var generator = SeededGenerator(seed: 12)

    mutating func vector(_ count: Int) -> [Float] { (0..<count).map { _ in generator.nextNormal() } }
}
