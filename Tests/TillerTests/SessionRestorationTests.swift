// SPDX-License-Identifier: Apache-2.0
// A session read back from its file is the session that was written, or is not used at all.

import Formats
import Kernels
import ModelFixtures
import Platform
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct SessionRestorationTests {
    private let folder = TemporaryFolder()
    private var path: String { "\(folder.path)/history.session" }

    private func engine(_ name: String, _ cache: Engine.CacheType? = nil) throws -> Engine {
        try TinyModel(name).engine(.int8, in: folder) { $0.cache = cache }
    }

    @Test(arguments: ["llama", "mistral", "gemma3"], [Engine.CacheType.float32, .float16, nil])
    func restoredIsAsGoodAsComputed(name: String, cache: Engine.CacheType?) throws {
        let engine = try engine(name, cache)
        let tokens = try TinyModel(name).tokens
        let first = try engine.makeSession(contextLength: 128)
        try first.evaluate(tokens)
        var options = GenerationOptions()
        options.sampling.temperature = 0
        options.maximumTokens = 8
        let answer = try first.generate(options)
        try first.save(to: path)

        let second = try engine.makeSession(contextLength: 100)
        #expect(try second.restore(from: path) == .restored(tokenCount: first.tokens.count))
        #expect(second.tokens == first.tokens && second.cachedTokenCount == first.tokens.count)
        try second.advance(to: tokens)
        // What a session that never left memory does.
        try first.advance(to: tokens)
        #expect(second.currentLogits == first.currentLogits)
        #expect(try second.generate(options).tokens == answer.tokens)
    }

    @Test(arguments: ["mistral", "qwen3"], Engine.CacheType.allCases)
    func sessionsOfAllInstructionSetsAreTheSame(name: String, cache: Engine.CacheType) throws {
        try expectSameSessions(name, cache)
    }

    /// Routers, convolutions and the delta rule have arithmetic of their own.
    @Test(arguments: ["qwen3moe", "lfm2", "qwen35"], [Engine.CacheType.float32, .float16])
    func statesOfAllInstructionSetsAreTheSame(name: String, cache: Engine.CacheType) throws {
        try expectSameSessions(name, cache)
    }

    private func expectSameSessions(_ name: String, _ cache: Engine.CacheType) throws {
        let model = try TinyModel(name)
        var files: Set<[UInt8]> = []
        for kernels in KernelSet.available {
            let engine = try model.engine(.int8, in: folder) {
                $0.kernels = kernels.name
                $0.cache = cache
            }
            if !files.isEmpty {
                let session = try engine.makeSession(contextLength: 64)
                #expect(try session.restore(from: path) == .restored(tokenCount: model.tokens.count))
            }
            let session = try engine.makeSession(contextLength: 64)
            try session.evaluate(model.tokens)
            try session.save(to: path)
            files.insert(FolderCopy.bytes(at: path))
        }
        #expect(files.count == 1, "keys and values differ")
    }

    @Test func whatWasComputedUnderOtherConditionsIsNotUsed() throws {
        let engine = try engine("llama"), other = try TinyModel("llama").engine(.int4, in: folder)
        let session = try engine.makeSession(contextLength: 64)
        try session.evaluate([1, 2, 3])
        try session.save(to: path)
        #expect(try other.makeSession(contextLength: 64).restore(from: path) == .other("another model"))
        let float = try self.engine("llama", .float32)
        #expect(try float.makeSession(contextLength: 64).restore(from: path) == .other("another --cache"))
        let short = try engine.makeSession(contextLength: 2).restore(from: path)
        #expect(short == .other("3 tokens, more than the context of 2"))
    }

    @Test func aChangedProfileOrStrengthMakesItStale() throws {
        let model = try TinyModel("llama").convert(.int8, in: folder)
        func add(_ seed: Int) throws {
            let file = try TillerFile(path: model)
            try TillerProfileStore.add(file.madeUpProfile(seed), in: model, replacesExisting: true)
        }
        func session(_ steering: [AppliedProfile]) throws -> Session {
            let session = try Engine(path: model).makeSession(contextLength: 64)
            try session.steer(steering)
            return session
        }
        try add(1)
        let first = try session([AppliedProfile("made-up", strength: 2)])
        try first.evaluate([1, 2, 3])
        try first.save(to: path)
        let same = try session([AppliedProfile("made-up", strength: 2)])
        #expect(try same.restore(from: path) == .restored(tokenCount: 3))
        for steering in [[], [AppliedProfile("made-up", strength: 1)], [AppliedProfile("made-up")]] {
            #expect(try session(steering).restore(from: path) == .other("another steering"))
        }
        try add(2)
        let changed = try session([AppliedProfile("made-up", strength: 2)])
        #expect(try changed.restore(from: path) == .other("another steering"))
    }

    @Test(arguments: ["llama", "gemma3"], [Engine.CacheType.float32, .float16, nil])
    func forgedMutationsNeverCrash(name: String, cache: Engine.CacheType?) throws {
        let engine = try engine(name, cache)
        let session = try engine.makeSession(contextLength: 64)
        try session.evaluate([1, 2, 3, 4, 5])
        try session.save(to: path)
        let bytes = FolderCopy.bytes(at: path)
        var random = SeededGenerator(seed: 31)
        var options = GenerationOptions()
        options.maximumTokens = 2
        for _ in 0..<mutationCount / 10 {
            var forged = bytes
            for _ in 0..<4 {
                let index = Int.random(in: 256..<forged.count, using: &random)
                forged[index] = UInt8.random(in: 0...255, using: &random)
            }
            // With the digest of what is there now, as a forger writes it.
            let digest = SHA256.digest(of: forged[..<224] + forged[256...])
            forged.replaceSubrange(224..<256, with: digest.bytes)
            try write(forged, "forged.session")
            let fresh = try engine.makeSession(contextLength: 64)
            guard (try? fresh.restore(from: "\(folder.path)/forged.session")) != nil else { continue }
            try fresh.advance(to: [1, 2, 3, 4, 6])
            try fresh.generate(options)
        }
    }

    private func write(_ bytes: [UInt8], _ name: String) throws {
        let writer = try AtomicFileWriter(path: "\(folder.path)/\(name)", replaceExisting: true)
        try writer.write(bytes)
        try writer.commit()
    }

    @Test func aDamagedFileIsRefused() throws {
        let session = try engine("llama").makeSession(contextLength: 64)
        try session.evaluate([1, 2, 3])
        try session.save(to: path)
        var bytes = FolderCopy.bytes(at: path)
        bytes[bytes.count - 1] ^= 1
        try write(bytes, "damaged.session")
        let fresh = try engine("llama").makeSession(contextLength: 64)
        #expect(throws: TillerError.self) { try fresh.restore(from: "\(folder.path)/damaged.session") }
        #expect(throws: TillerError.self) { try fresh.restore(from: "\(folder.path)/missing.session") }
    }
}

extension TillerFile {
    /// A profile of one vector that depends on a seed.
    fileprivate func madeUpProfile(_ seed: Int) -> SteeringProfile {
        let configuration = manifest.configuration
        var random = SeededGenerator(seed: UInt64(seed))
        return SteeringProfile(
            name: "made-up", description: "", sourceHash: manifest.source.sha256,
            hiddenSize: configuration.hiddenSize, layerCount: configuration.layerCount, method: "test",
            operations: [.init(.add, layer: 0, vector: 0, coefficient: 1)],
            residualRMS: Array(repeating: 1, count: configuration.layerCount), recommendedStrength: 1,
            minimumStrength: -4, maximumStrength: 4,
            vectors: [(0..<configuration.hiddenSize).map { _ in random.nextNormal() }])
    }
}
