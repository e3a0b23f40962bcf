// SPDX-License-Identifier: Apache-2.0
// Activation-aware scaling gives the heads' outputs another basis in every calibrated file: what a profile does there, and
// what is learned there, must be the same in all files of one source.

import Conversion
import Evaluation
import Formats
import Glibc
import ModelFixtures
import Quantization
import Steering
import TestSupport
import Testing
import Tiller
import Training

@Suite struct HeadBasisTests {
    private let folder = TemporaryFolder()

    /// What two calibration texts might have found; their columns differ by factors of up to 1000.
    private func statistics(seed: UInt64, of configuration: ModelConfiguration) -> CalibrationStatistics {
        var random = SeededGenerator(seed: seed)
        var squares: [MatrixInput: [Float]] = [:]
        for input in MatrixInput.all(of: configuration) {
            squares[input] = (0..<input.columns(in: configuration)).map { _ in
                exp(Float.random(in: -3.5...3.5, using: &random))
            }
        }
        return CalibrationStatistics(tokenCount: 1000, meanSquares: squares)
    }

    /// One source, converted without statistics and under those of two texts.
    private func engines(_ name: String, _ weights: TensorEncoding) throws -> [Engine] {
        let plain = try TinyModel(name).convert(weights, in: folder)
        let configuration = try TillerFile(path: plain).manifest.configuration
        var paths = [plain]
        for seed in [UInt64(1), 2] {
            var converter = Converter(
                encodings: EncodingChoice(weights: weights, head: weights), replacesExisting: true,
                threadCount: 2, program: "test")
            converter.statistics = statistics(seed: seed, of: configuration)
            paths.append("\(folder.path)/\(name)-\(weights)-\(seed).tiller")
            _ = try converter.convert("\(TinyModel.folder)/\(name).gguf", to: paths[paths.count - 1])
        }
        var options = Engine.Options()
        options.threads = 2
        options.cache = .float32
        let engines = try paths.map { try Engine(path: $0, options: options) }
        #expect(engines[0].file.headScaling?.factors.allSatisfy { $0 == nil } == true)
        for engine in engines[1...] {
            #expect(engine.file.headScaling?.factors.contains { $0 != nil } == true, "nothing was scaled")
        }
        return engines
    }

    /// What steering changes of the logits.
    private func effect(
        _ profile: SteeringProfile, _ strength: Float, _ engine: Engine, _ model: TinyModel
    ) throws -> [Float] {
        let session = try engine.makeSession(contextLength: 512)
        let plain = session.logits(of: model.tokens, at: model.positions)
        session.rewind(to: 0)
        session.setPlan(
            SteeringPlan(
                active: [ActiveProfile(profile: profile, strength: strength)],
                layerCount: engine.model.configuration.layerCount))
        return zip(session.logits(of: model.tokens, at: model.positions), plain).map { $0 - $1 }
    }

    private func expectSameEffect(
        _ profile: SteeringProfile, _ strength: Float, _ engines: [Engine], _ model: TinyModel,
        _ comment: String
    ) throws {
        let effects = try engines.map { try effect(profile, strength, $0, model) }
        let largest = effects[0].map(abs).max() ?? 0
        #expect(largest > 0.01, "\(comment) does nothing")
        for (index, other) in effects[1...].enumerated() {
            let difference = largestDifference(effects[0], other)
            #expect(
                difference <= 2e-3 * largest, "\(comment), text \(index): \(difference) of \(largest)")
        }
    }

    @Test(arguments: ["llama", "mistral", "qwen2", "qwen3", "gemma3"])
    func aProfileDoesTheSameInEveryFile(name: String) throws {
        let (engines, model) = (try engines(name, .float32), try TinyModel(name))
        let pairs = zip(["a e i", "e i a", "i a o", "o e u"], ["t s n", "n t s", "s n m", "r l t"])
            .map { ContrastivePair(positive: $0, negative: $1) }
        for (index, engine) in engines.enumerated() {
            var options = TrainingOptions(name: "vowels")
            options.operation = .headAdd
            options.layers = [0, 1]
            let profile = try ProfileTrainer(engine: engine, options: options)
                .train(on: pairs, dataHash: "0", progress: { _ in })
            #expect(profile.fitsEveryFile)
            try expectSameEffect(profile, 2, engines, model, "trained in file \(index)")
            // Without the factors the same numbers do something else in each file.
            var inFile = profile
            for index in inFile.operations.indices { inFile.operations[index].basis = .file }
            let effects = try engines.map { try effect(inFile, 2, $0, model) }
            let largest = effects[0].map(abs).max() ?? 0
            #expect(effects[1...].contains { largestDifference(effects[0], $0) > 2e-3 * largest })
        }
    }

    @Test(arguments: ["add", "projectOut", "clamp", "rotate", "rotateTo", "scale"], [false, true])
    func everyOperationActsInTheSourcesBasis(kind: String, keepsNorm: Bool) throws {
        let (engines, model) = (try engines("mistral", .float32), try TinyModel("mistral"))
        let configuration = engines[0].model.configuration
        let width = configuration.querySize
        var random = SeededGenerator(seed: 3)
        let v = (0..<width).map { _ in Float.random(in: -1...1, using: &random) }.unitNorm
        let u = (0..<width).map { _ in Float.random(in: -1...1, using: &random) }
            .unitNorm(orthogonalTo: v)
        let rows = SteeringProfile.rows(of: v, hiddenSize: configuration.hiddenSize)
        let kinds: [String: SteeringProfile.Kind] = [
            "add": .add, "projectOut": .projectOut, "clamp": .clamp(target: 3, .whenBelow),
            "rotate": .rotate(second: rows.count, target: nil),
            "rotateTo": .rotate(second: rows.count, target: 50), "scale": .scale,
        ]
        let operations = [0, 1].map { layer in
            var operation = SteeringProfile.Operation(
                kinds[kind] ?? .add, site: .headOutputs, layer: layer, vector: 0, keepsNorm: keepsNorm,
                width: width)
            operation.basis = .source
            return operation
        }
        let profile = SteeringProfile(
            name: "heads", description: "", sourceHash: engines[0].file.manifest.source.sha256,
            hiddenSize: configuration.hiddenSize, layerCount: configuration.layerCount, method: "made up",
            operations: operations,
            residualRMS: Array(repeating: 1, count: configuration.layerCount), recommendedStrength: 1,
            minimumStrength: -1, maximumStrength: 1,
            vectors: rows + SteeringProfile.rows(of: u, hiddenSize: configuration.hiddenSize))
        try expectSameEffect(profile, kind == "scale" ? 8 : 1, engines, model, kind)
    }

    /// Rounded files differ by their rounding, not by their basis.
    @Test(arguments: [(TensorEncoding.float16, 0.9999), (.int8, 0.98)])
    func roundedFilesAgreeAsFarAsTheyAreExact(weights: TensorEncoding, least: Double) throws {
        let model = try TinyModel("mistral")
        let exact = try engines("mistral", .float32)[0]
        var options = TrainingOptions(name: "vowels")
        options.operation = .headAdd
        options.layers = [0, 1]
        let pairs = [ContrastivePair(positive: "a e i o", negative: "t s n r")]
        let rounded = try engines("mistral", weights)
        for trained in [exact] + rounded {
            let profile = try ProfileTrainer(engine: trained, options: options)
                .train(on: pairs, dataHash: "0", progress: { _ in })
            let expected = try effect(profile, 2, exact, model)
            for engine in rounded {
                let found = try effect(profile, 2, engine, model)
                let similarity = try #require(cosine(found, expected))
                #expect(similarity > least, "\(weights): \(similarity)")
            }
        }
    }

    /// A conversion of a conversion multiplies the factors; profiles go along where they mean the same.
    @Test func profilesGoAlongWhereTheyMeanTheSame() throws {
        let (engines, model) = (try engines("llama", .float32), try TinyModel("llama"))
        var options = TrainingOptions(name: "vowels")
        options.operation = .headAdd
        options.layers = [0, 1]
        let pairs = [ContrastivePair(positive: "a e i o", negative: "t s n r")]
        var profile = try ProfileTrainer(engine: engines[1], options: options)
            .train(on: pairs, dataHash: "0", progress: { _ in })
        let path = "\(folder.path)/llama-float32-1.tiller"
        try TillerProfileStore.add(profile, in: path)
        profile.name = "of-the-file"
        for index in profile.operations.indices { profile.operations[index].basis = .file }
        try TillerProfileStore.add(profile, in: path)

        var converter = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 2, program: "test")
        let output = "\(folder.path)/again.tiller"
        _ = try converter.convert(path, to: output)
        #expect(try TillerFile(path: output).profiles.map(\.name) == ["vowels", "of-the-file"])
        converter.statistics = statistics(seed: 3, of: engines[0].model.configuration)
        let summary = try converter.convert(path, to: output)
        let again = try Engine(path: output)
        #expect(again.file.headScaling != engines[1].file.headScaling)
        #expect(again.profileNames == ["vowels"])
        #expect(summary.remarks.contains { $0.contains("'of-the-file' is not kept") })
        try expectSameEffect(
            again.profile(named: "vowels"), 2, [engines[0], engines[1], again], model, "carried along")
    }

    /// A file of an earlier version does not say how its heads are scaled: they stay as they are, with their profiles.
    @Test func headsOfUnknownScalingAreNotScaledAgain() throws {
        let engine = try engines("llama", .float32)[1]
        let path = "\(folder.path)/old.tiller"
        try writeWithoutScaling(engine.file, to: path)
        let old = try Engine(path: path)
        #expect(old.file.headScaling == nil)
        var options = TrainingOptions(name: "vowels")
        options.operation = .headAdd
        options.layers = [0, 1]
        let profile = try ProfileTrainer(engine: old, options: options).train(
            on: [ContrastivePair(positive: "a e i o", negative: "t s n r")], dataHash: "0",
            progress: { _ in })
        #expect(profile.operations.allSatisfy { $0.basis == .file })
        try TillerProfileStore.add(profile, in: path)
        var converter = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 2, program: "test")
        converter.statistics = statistics(seed: 3, of: engine.model.configuration)
        _ = try converter.convert(path, to: "\(folder.path)/new.tiller")
        let new = try Engine(path: "\(folder.path)/new.tiller")
        #expect(new.file.headScaling == nil && new.profileNames == ["vowels"])
        try expectSameEffect(profile, 2, [old, new], TinyModel("llama"), "heads as they were")
    }

    /// A file's weights without what says how its heads are scaled. The writer's lock ends with it.
    private func writeWithoutScaling(_ file: TillerFile, to path: String) throws {
        let writer = try TillerFileWriter(path: path, replaceExisting: false)
        for entry in file.tensorIndex.entries {
            try writer.appendTensor(
                entry.role, layer: entry.layer, encoding: entry.encoding, rows: entry.rows,
                columns: entry.columns, bytes: file.bytes(of: entry))
        }
        try writer.finish(manifest: file.manifest, tokenizer: file.tokenizerBytes.map { Array($0) })
    }
}
