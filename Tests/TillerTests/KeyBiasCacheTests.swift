// SPDX-License-Identifier: Apache-2.0
// Models whose keys have large biases, under a cache of 8 bits.

import Glibc
import Kernels
import ModelFixtures
import TestSupport
import Testing
import Tiller

@Suite struct KeyBiasCacheTests {
    private let folder = TemporaryFolder()

    private func engine(
        _ path: String, _ cache: Engine.CacheType, kernels: KernelSet = .best, threads: Int = 2
    ) throws -> Engine {
        var options = Engine.Options()
        options.threads = threads
        options.cache = cache
        options.kernels = kernels.name
        options.smallWork = 0
        return try Engine(path: path, options: options)
    }

    private func logits(_ engine: Engine, _ tokens: [Int32], from first: Int) throws -> [[Double]] {
        var rows: [[Double]] = []
        try engine.makeSession(contextLength: 128).evaluateAllLogits(tokens) { position, logits in
            if position >= first { rows.append(logits.map(Double.init)) }
        }
        return rows
    }

    /// Mean KL over the last positions, from a cache of Float32.
    private func divergence(_ model: KeyBiasModel, _ cache: Engine.CacheType) throws -> Double {
        let path = try model.write(in: folder)
        let exact = try engine(path, .float32), other = try engine(path, cache)
        var values: [Double] = []
        for tokens in model.sequences(vocabularySize: exact.vocabularySize) {
            let pairs = zip(try logits(exact, tokens, from: 48), try logits(other, tokens, from: 48))
            values += pairs.map { relativeEntropy($0, $1) }
        }
        return values.reduce(0, +) / Double(values.count)
    }

    /// The peer's cache has the same bits for each number; where it turns keys by Hadamard matrices, large biases are
    /// spread over all channels, while here they leave the cache.
    @Test func costsNoMoreThanThePeers() throws {
        let models = try KeyBiasModel.golden()
        #expect(models.count == 10)
        for model in models {
            let own = try divergence(model, .int8)
            #expect(own <= model.peerDivergence, "\(model): \(own), the peer's \(model.peerDivergence)")
        }
    }

    /// With the biases out of the cache their size no longer matters; in one layer, whose queries are exact.
    @Test(arguments: [32, 64, 96, 128])
    func theSizeOfABiasDoesNotMatter(headSize: Int) throws {
        var model = KeyBiasModel()
        model.seed = 40
        model.headSize = headSize
        model.layers = 1
        for bias in [Float(10), 1000, 100_000] {
            model.bias = bias
            #expect(try divergence(model, .int8) < 0.02, "\(model)")
        }
    }

    /// Keys and values beyond binary16 and beyond its multiples of 127: with factors of two between them and what reads
    /// them, nothing changes but exponents, so codes of 8 bits are the same, and binary16 differs where it has subnormal
    /// numbers only.
    @Test(arguments: [64, 96], [Float(0x1p15), 0x1p24, 0x1p60])
    func numbersBeyondBinary16AreScaled(headSize: Int, factor: Float) throws {
        var model = KeyBiasModel()
        model.seed = 41
        model.headSize = headSize
        model.bias = 0
        let tokens = model.sequences(vocabularySize: 290)[0]
        func logits(_ cache: Engine.CacheType) throws -> [[Double]] {
            try self.logits(engine(model.write(in: folder), cache), tokens, from: 0)
        }
        let plain = try (logits(.float16), logits(.int8))
        (model.keyFactor, model.valueFactor) = (factor, factor * 2)
        let large = try (logits(.float16), logits(.int8))
        #expect(large.1 == plain.1)
        for (a, b) in zip(plain.0, large.0) { #expect(relativeEntropy(a, b) < 1e-6) }
        // A prefix of the session, and what is kept of it in a file, go on alike.
        let path = try model.write(in: folder)
        let session = try engine(path, .float16).makeSession(contextLength: 128)
        try session.evaluate(Array(tokens.dropLast(3)))
        session.rewind(to: 60)
        try session.evaluate(Array(tokens[60..<tokens.count - 1]))
        try session.save(to: folder.path + "/state")
        let restored = try engine(path, .float16).makeSession(contextLength: 128)
        try restored.restore(from: folder.path + "/state")
        try restored.evaluate([tokens[tokens.count - 1]])
        #expect(restored.currentLogits.map(Double.init) == large.0.last)
    }

    @Test func theTextDependsOnNeitherThreadsNorBatchesNorInstructions() throws {
        let model = try #require(try KeyBiasModel.golden().first { $0.headSize == 64 && $0.heads > 1 })
        let path = try model.write(in: folder)
        let tokens = model.sequences(vocabularySize: 290)[0]
        let expected = try logits(engine(path, .int8, threads: 1), tokens, from: 0)
        for kernels in KernelSet.available {
            #expect(
                try logits(engine(path, .int8, kernels: kernels, threads: 3), tokens, from: 0) == expected)
        }
        // Token by token, and in uneven batches; a session that is restored goes on as well.
        for step in [1, 17] {
            let session = try engine(path, .int8).makeSession(contextLength: 128)
            for start in stride(from: 0, to: tokens.count, by: step) {
                try session.evaluate(Array(tokens[start..<min(start + step, tokens.count)]))
            }
            #expect(session.currentLogits.map(Double.init) == expected.last)
        }
        let session = try engine(path, .int8).makeSession(contextLength: 128)
        try session.evaluate(Array(tokens.dropLast()))
        try session.save(to: folder.path + "/state")
        let restored = try engine(path, .int8).makeSession(contextLength: 256)
        #expect(try restored.restore(from: folder.path + "/state") == .restored(tokenCount: tokens.count - 1))
        try restored.evaluate([tokens[tokens.count - 1]])
        #expect(restored.currentLogits.map(Double.init) == expected.last)
    }
}

/// Σ p ln(p / q) of two rows of logits.
private func relativeEntropy(_ p: [Double], _ q: [Double]) -> Double {
    func logProbabilities(_ logits: [Double]) -> [Double] {
        let largest = logits.max() ?? 0
        let sum = logits.reduce(0) { $0 + exp($1 - largest) }
        return logits.map { $0 - largest - log(sum) }
    }
    return zip(logProbabilities(p), logProbabilities(q)).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
}
