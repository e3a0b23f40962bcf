// SPDX-License-Identifier: Apache-2.0
// Families whose golden values begin as folders by transformers: the same logits through the folder, and through the GGUF that
// llama.cpp's converter makes of it.

import Conversion
import Formats
import Glibc
import JSON
import Kernels
import ModelFixtures
import Models
import Platform
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct FamilyTests {
    static let names = TinyModel.families
    /// Of distributions: what Float32 leaves of logits by Float64.
    private static let largestDivergence = 1e-9

    private let folder = TemporaryFolder()

    /// The model as a file, of Float32 weights unless others are asked for.
    private func convert(_ source: String, _ weights: TensorEncoding = .float32) throws -> String {
        let output = folder.path + "/model.tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: weights, head: weights), replacesExisting: true,
            threadCount: 2,
            program: "test")
        _ = try converter.convert(source, to: output)
        return output
    }

    /// Both ways to the model.
    private static func sources(_ name: String) -> [String] {
        ["\(FolderCopy.fixtures)/\(name)", "\(FolderCopy.fixtures)/\(name)/model.gguf"]
    }

    private func expectLogits(_ name: String, _ golden: String, contextLength: Int) throws {
        let path = "\(FolderCopy.fixtures)/\(name)/\(golden)"
        let json = try JSON.parse(readFile(path: "\(path).json", limit: 1 << 20))
        let expected = try readFile(path: "\(path).logits.bin", limit: 1 << 24).withUnsafeBytes { raw in
            (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        let tokens = (json["tokens"]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } }
        let positions = (json["positions"]?.arrayValue ?? []).compactMap(\.intValue)
        #expect(positions.count >= 8)
        for source in Self.sources(name) {
            let engine = try Engine(path: convert(source), options: Engine.Options())
            let logits = try engine.makeSession(contextLength: contextLength).logits(
                of: tokens, at: positions)
            #expect(largestDifference(logits, expected) < ForwardPassTests.tolerance, "\(source)")
            let divergences = divergences(of: logits, from: expected, count: positions.count)
            for (position, divergence) in zip(positions, divergences) {
                #expect(divergence < Self.largestDivergence, "\(source), position \(position)")
            }
        }
    }

    /// Of each position.
    private func divergences(of logits: [Float], from expected: [Float], count: Int) -> [Double] {
        let size = expected.count / count
        return (0..<count).map { row in
            let part = row * size..<(row + 1) * size
            return divergence(expected[part].map { Double($0) }, logits[part].map { Double($0) })
        }
    }

    /// Σ p ln(p / q) of two distributions by their logits.
    private func divergence(_ p: [Double], _ q: [Double]) -> Double {
        func logProbabilities(_ row: [Double]) -> [Double] {
            let top = row.max() ?? 0
            let sum = row.reduce(0) { $0 + exp($1 - top) }
            return row.map { $0 - top - log(sum) }
        }
        return zip(logProbabilities(p), logProbabilities(q)).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
    }

    @Test(arguments: names) func logitsAreThoseOfTransformersOnBothWays(name: String) throws {
        try expectLogits(name, "golden", contextLength: 64)
    }

    /// LongRoPE has other factors for contexts beyond the original one, for all of their positions.
    @Test(arguments: ["minicpm", "phi3"]) func longContextsHaveFactorsOfTheirOwn(name: String) throws {
        try expectLogits(name, "long", contextLength: 128)
    }

    /// Keys that were turned for a short context are of no use in a long one.
    @Test func aSessionStaysOnItsSideOfLongRoPE() throws {
        let engine = try Engine(path: convert(Self.sources("phi3")[0]), options: Engine.Options())
        let session = try engine.makeSession(contextLength: 64)
        try session.evaluate([3, 1, 4, 1, 5])
        let path = folder.path + "/session"
        try session.save(to: path)
        #expect(try engine.makeSession(contextLength: 48).restore(from: path) == .restored(tokenCount: 5))
        guard case .other(let reason) = try engine.makeSession(contextLength: 128).restore(from: path) else {
            Issue.record("keys of a short context were taken for a long one")
            return
        }
        #expect(reason.contains("long context"))
    }

    /// llama.cpp computes YaRN's factor itself, so a file that states another one is ambiguous; windows are for each layer.
    @Test(arguments: [
        ("rope.scaling.yarn_attn_factor", Float(1.5).bitPattern, "rope.scaling.yarn_attn_factor is 1.5"),
        ("block_count", 2, "attention.sliding_window_pattern has 3 elements"),
    ])
    func whatLayersDoNotShareIsChecked(key: String, bits: UInt32, words: String) throws {
        var bytes = try readFile(path: Self.sources("olmo3")[1], limit: 1 << 24)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: key.utf8) })
        // The value's type is between the key and the value.
        let value = start + key.utf8.count + 4
        withUnsafeBytes(of: bits.littleEndian) { bytes.replaceSubrange(value..<value + 4, with: $0) }
        let copy = FolderCopy("olmo3")
        copy.write(bytes, to: "model.gguf")
        let error = try #require(throws: ConversionError.self) {
            try ModelSource(path: "\(copy.path)/model.gguf")
        }
        #expect("\(error)".contains(words), "\(error)")
    }

    /// One configuration, whichever way it came, which the manifest keeps.
    @Test(arguments: names) func bothWaysGiveOneConfiguration(name: String) throws {
        var configurations = try Self.sources(name).map { try ModelSource(path: $0).configuration }
        // The converter gives hybrids the context of their recurrent layers.
        configurations[1].contextLength = configurations[0].contextLength
        // Llama 3's factors are numbers of the configuration here, a tensor there.
        if configurations[1].rotaries[0].scaling == .perFrequencyFactors {
            configurations[1].rotaries[0].scaling = configurations[0].rotaries[0].scaling
        }
        // The converter sorts value heads by their number within a key head, which the configuration says.
        for index in configurations[1].layers.indices {
            guard var rule = configurations[1].layers[index].deltaRule else { continue }
            #expect(rule.cyclesKeyHeads)
            rule.cyclesKeyHeads = false
            configurations[1].layers[index].mixer = .deltaRule(rule)
        }
        #expect(configurations[0] == configurations[1])
        #expect(try ModelConfiguration(configurations[0].json) == configurations[0])
    }

    /// Decoding token by token gives what a prompt gives.
    @Test(arguments: names) func generationAndPrefillAgree(name: String) throws {
        let engine = try Engine(path: convert(Self.sources(name)[0]), options: Engine.Options())
        let tokens = Array(engine.encode("There are three winds; the ferry brings bread.").prefix(24))
        let together = try engine.makeSession(contextLength: 64).logits(of: tokens, at: [tokens.count - 1])
        let session = try engine.makeSession(contextLength: 64)
        for token in tokens { try session.evaluate([token]) }
        #expect(session.currentLogits == together)
        let pieces = try engine.makeSession(contextLength: 64)
        for piece in [0..<7, 7..<8, 8..<17, 17..<tokens.count] { try pieces.evaluate(Array(tokens[piece])) }
        #expect(pieces.currentLogits == together)
        // What is taken back leaves nothing behind.
        pieces.rewind(to: 5)
        try pieces.evaluate(Array(tokens[5...]))
        #expect(pieces.currentLogits == together)
    }

    /// Both ways give the same integers, and these stay close to the numbers that they stand for. The others' random numbers
    /// amplify rounding from layer to layer.
    @Test(
        arguments: ["exaone4", "gemma2", "granite", "hunyuan", "minicpm", "olmo2", "olmo3"],
        [TensorEncoding.int8, .int4])
    func integersStayClose(name: String, weights: TensorEncoding) throws {
        let model = try TinyModel(name)
        var logits: [[Float]] = []
        for source in Self.sources(name) {
            let engine = try Engine(path: convert(source, weights), options: Engine.Options())
            logits.append(
                try engine.makeSession(contextLength: 64).logits(of: model.tokens, at: model.positions))
        }
        let path = "\(FolderCopy.fixtures)/\(name)/golden.logits.bin"
        let expected = try readFile(path: path, limit: 1 << 24).withUnsafeBytes { raw in
            (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        let all = logits.map { divergences(of: $0, from: expected, count: model.positions.count) }
        let means = all.map { $0.reduce(0, +) / Double($0.count) }
        #expect(means[0] < (weights == .int8 ? 0.01 : 1), "\(means)")
        #expect(abs(means[0] - means[1]) <= 1e-6 + means[0] / 100, "\(means)")
    }
}
