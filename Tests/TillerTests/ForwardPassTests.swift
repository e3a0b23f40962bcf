// SPDX-License-Identifier: Apache-2.0
// The whole way from a GGUF to logits, against values that two independent implementations agree on.

import ModelFixtures
import Formats
import Kernels
import Platform
import Quantization
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct ForwardPassTests {
    /// Float32 summation in any order stays within 1e-3 here; a mistake in any part moves a logit by 0.3 or more.
    static let tolerance: Float = 1e-3

    @Test(arguments: TinyModel.names)
    func logitsAgreeWithTheReference(name: String) throws {
        let (folder, model) = (TemporaryFolder(), try TinyModel(name))
        let session = try model.engine(in: folder).makeSession(contextLength: 64)
        let logits = session.logits(of: model.tokens, at: model.positions)
        #expect(largestDifference(logits, try model.goldenLogits("logits")) < Self.tolerance)
    }

    @Test(arguments: TinyModel.names, KernelSet.available.map(\.name))
    func greedyTextIsTheReferencesOnEveryInstructionSet(name: String, kernels: String) throws {
        let (folder, model) = (TemporaryFolder(), try TinyModel(name))
        let session = try model.engine(in: folder) { $0.kernels = kernels }.makeSession(contextLength: 64)
        try session.evaluate(model.greedyPrompt)
        var options = GenerationOptions()
        options.sampling = .greedy
        options.maximumTokens = model.greedyContinuation.count
        options.ignoresEndOfGeneration = true
        #expect(try session.generate(options).tokens == model.greedyContinuation)
    }

    @Test(arguments: TinyModel.names)
    func textBecomesTheReferencesTokens(name: String) throws {
        let (folder, model) = (TemporaryFolder(), try TinyModel(name))
        #expect(try model.engine(in: folder).encode(model.text) == model.textTokens)
    }

    @Test(arguments: TinyModel.names, [TensorEncoding.float32, .float16, .int8, .int4])
    func decodingTokenByTokenEqualsOnePrefill(name: String, weights: TensorEncoding) throws {
        let (folder, model) = (TemporaryFolder(), try TinyModel(name))
        let engine = try model.engine(weights, in: folder)
        let whole = try engine.makeSession(contextLength: 64)
        let expected = whole.logits(of: model.tokens, at: model.positions)
        let stepped = try engine.makeSession(contextLength: 64)
        var logits: [Float] = []
        for (position, token) in model.tokens.enumerated() {
            try stepped.evaluate([token])
            if model.positions.contains(position) { logits += stepped.currentLogits }
        }
        #expect(logits == expected)
    }

    @Test(arguments: ["llama", "gemma3"])
    func controlVectorsSteerAsInTheReference(name: String) throws {
        let (folder, model) = (TemporaryFolder(), try TinyModel(name))
        let path = try model.convert(in: folder)
        let file = try TillerFile(path: path)
        let vector = try ControlVector(readingFrom: "\(TinyModel.folder)/\(name).steering.gguf")
        let profile = try vector.profile(
            named: "golden", configuration: file.manifest.configuration,
            sourceHash: file.manifest.source.sha256)
        try TillerProfileStore.add(profile, in: path)

        let session = try Engine(path: path).makeSession(contextLength: 64)
        try session.steer([AppliedProfile("golden")])
        let logits = session.logits(of: model.tokens, at: model.positions)
        #expect(largestDifference(logits, try model.goldenLogits("steered")) < Self.tolerance)

        // And back: what is exported is the same control vector.
        let exported = try ControlVector(profile: profile, strength: 1)
        #expect(exported.directions == vector.directions)
    }

    @Test(arguments: ["llama", "mistral", "gemma3"])
    func resultsDoNotDependOnTheNumberOfThreads(name: String) throws {
        let (folder, model) = (TemporaryFolder(), try TinyModel(name))
        let logits = try [1, 2, 3].map { threads in
            let engine = try model.engine(.int8, in: folder) { $0.threads = threads }
            return try engine.makeSession(contextLength: 64).logits(of: model.tokens, at: model.positions)
        }
        #expect(logits[0] == logits[1])
        #expect(logits[0] == logits[2])
    }

    @Test(arguments: ["llama", "qwen3", "gemma3"])
    func quantizedWeightsAndCachesStayClose(name: String) throws {
        let (folder, model) = (TemporaryFolder(), try TinyModel(name))
        let exact = try model.goldenLogits("logits")
        let spread = exact.reduce(0) { $0 + $1 * $1 } / Float(exact.count)
        func error(_ engine: Engine) throws -> Float {
            let logits = try engine.makeSession(contextLength: 64).logits(
                of: model.tokens, at: model.positions)
            let squares = zip(logits, exact).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            return (squares / Float(exact.count) / spread).squareRoot()
        }
        // 8 bits keep about two digits through a few layers of random weights; 16 bits three.
        #expect(try error(model.engine(.int8, in: folder)) < 0.05)
        #expect(try error(model.engine(.float16, in: folder) { $0.cache = .float16 }) < 0.005)
        #expect(try error(model.engine(.int4, in: folder)) < 0.5)
    }
}
