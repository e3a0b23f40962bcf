// SPDX-License-Identifier: Apache-2.0
// A limit on the weights in memory changes what is resident, and nothing that is computed.

import Formats
import ModelFixtures
import Platform
import Quantization
import TestSupport
import Testing
import Tiller

@Suite struct PassingLayersTests {
    private let folder = TemporaryFolder()
    private static let layerCount = 12

    /// The tiny Llama with twelve layers of 3 MB: a file of 38 MB, for layers have to be larger than pages here.
    private func wideModel(mixingLayers: Bool = false) throws -> (path: String, tokens: [Int32]) {
        let tiny = try TinyModel("llama")
        let source = try TillerFile(path: tiny.convert(in: folder))
        var manifest = source.manifest
        manifest.configuration.layers = Array(
            repeating: manifest.configuration.layers[0], count: Self.layerCount)
        manifest.configuration.intermediateSize = 4096
        let model = manifest.configuration
        let ofLayers = (0..<Self.layerCount).flatMap { layer in
            TensorRole.allCases.filter(\.isPerLayer).map { (role: $0, layer: layer as Int?) }
        }
        let path = folder.path + "/wide.tiller"
        let writer = try TillerFileWriter(path: path, replaceExisting: true)
        for (role, layer) in TensorRole.allCases.filter({ !$0.isPerLayer }).map({ ($0, nil) })
            + (mixingLayers ? ofLayers.sorted { $0.role.rawValue < $1.role.rawValue } : ofLayers)
        {
            guard let shape = role.shape(in: model, layer: layer) else { continue }
            let encoding: TensorEncoding = role.isVector ? .vector : .float32
            let count = try #require(encoding.byteCount(rows: shape.rows, columns: shape.columns)) / 4
            var random = SplitMix64(seed: UInt64(role.rawValue) << 8 + UInt64(layer ?? 99))
            let values = (0..<count).map { _ in
                role.isVector ? 1 : Float(random.next() >> 40) * 0x1p-27 - 0x1p-4
            }
            try values.withUnsafeBytes {
                try writer.appendTensor(
                    role, layer: layer, encoding: encoding, rows: shape.rows, columns: shape.columns,
                    bytes: $0)
            }
        }
        try writer.finish(manifest: manifest, tokenizer: source.tokenizerBytes.map(Array.init))
        return (path, tiny.tokens)
    }

    private func engine(_ path: String, limit: Int?) throws -> Engine {
        var options = Engine.Options()
        options.threads = 2
        options.residentWeights = limit
        return try Engine(path: path, options: options)
    }

    /// The parts of a file that this process has mapped for one use each, with the bytes that are resident of them.
    private func mappings(of path: String) throws -> [(fileOffset: Int, resident: Int)] {
        let maps = String(decoding: try readFile(path: "/proc/self/smaps", limit: 1 << 26), as: UTF8.self)
        var mappings: [(fileOffset: Int, resident: Int)] = []
        var isOurs = false
        for line in maps.split(separator: "\n") {
            // A mapping's line starts with its addresses in lower-case digits, those of its figures with a capital.
            if line.first?.isUppercase == false {
                isOurs = line.hasSuffix(path)
                let fields = line.split(separator: " ")
                if isOurs { mappings.append((try #require(Int(fields[2], radix: 16)), 0)) }
            } else if isOurs, line.hasPrefix("Rss:") {
                let kilobytes = ProcessMemory.kilobytes("Rss", in: String(line))
                mappings[mappings.count - 1].resident = try #require(kilobytes)
            }
        }
        return mappings
    }

    private func residentByteCount(of path: String) throws -> Int {
        try mappings(of: path).reduce(0) { $0 + $1.resident }
    }

    @Test func aLimitChangesMemoryAndNoLogit() throws {
        let (path, tokens) = try wideModel()
        let weights = try TillerFile(path: path).weights.count
        let positions = Array(tokens.indices)
        var expected: [Float] = []
        var residentBefore = Int.max
        for limit in [nil, weights, 25_000_000, 18_000_000, 11_000_000] {
            let engine = try engine(path, limit: limit)
            let session = try engine.makeSession(contextLength: 2 * tokens.count)
            var logits = session.logits(of: tokens, at: positions)
            for token in tokens {
                try session.evaluate([token])
                logits += session.currentLogits
            }
            let resident = try residentByteCount(of: path)
            if let limit, limit < weights {
                #expect(resident <= limit, "\(resident) bytes are mapped under a limit of \(limit)")
                #expect(resident < residentBefore, "a lower limit changed nothing")
                #expect(logits == expected)
            } else {
                #expect(resident > weights - 1_000_000)
                if limit == nil { expected = logits }
            }
            residentBefore = resident
        }
        #expect(Set(expected).count > expected.count / 3, "the logits say nothing")
    }

    /// Where one use of a file ends and another begins, the system cannot map a large page.
    @Test func noLargePageIsPartlyOfPassingLayers() throws {
        let (path, tokens) = try wideModel()
        for limit in [25_000_000, 24_000_000, 11_000_000] {
            let engine = try engine(path, limit: limit)
            _ = try engine.makeSession(contextLength: tokens.count).logits(of: tokens, at: [0])
            let offsets = try mappings(of: path).map(\.fileOffset)
            #expect(offsets.count > 1, "no part of the file is used differently")
            #expect(offsets.allSatisfy { $0 % LargePage.byteCount == 0 }, "\(offsets)")
        }
    }

    @Test func tooLittleIsRefusedWithTheLeast() throws {
        let (path, _) = try wideModel()
        let file = try TillerFile(path: path)
        let least = Engine.leastResidentWeights(of: file)
        #expect(least < file.weights.count / 2)
        _ = try engine(path, limit: least)
        #expect {
            try engine(path, limit: least - 1)
        } throws: { error in
            "\(error)".contains("\(least - 1) bytes") && "\(error)".contains("\(least) or more")
        }
        let mixed = try TillerFile(path: wideModel(mixingLayers: true).path)
        #expect(Engine.leastResidentWeights(of: mixed) == mixed.weights.count)
        // A small model is mapped in fewer pages than a layer of it is allowed.
        let tiny = try TillerFile(path: TinyModel("qwen3").convert(in: folder))
        #expect(Engine.leastResidentWeights(of: tiny) == tiny.weights.count)
    }

    @Test func thePredictionLeavesOutWhatPasses() throws {
        let (path, _) = try wideModel()
        let file = try TillerFile(path: path)
        let whole = MemoryPrediction(file: file, contextLength: 128, cache: .float32)
        let limited = MemoryPrediction(
            file: file, contextLength: 128, cache: .float32, residentWeights: 10_000_000)
        #expect(whole.total - limited.total == file.weights.count - 10_000_000)
        let roomy = MemoryPrediction(
            file: file, contextLength: 128, cache: .float32, residentWeights: 1 << 40)
        #expect(roomy.total == whole.total)
    }
}
