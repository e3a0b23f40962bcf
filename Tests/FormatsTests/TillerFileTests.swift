// SPDX-License-Identifier: Apache-2.0
// What the `.tiller` writer writes the reader reads, value for value.

import Formats
import JSON
import Quantization
import Steering
import Testing

struct TillerFileTests {
    @Test func whatIsWrittenIsRead() throws {
        let file = try TillerFile(bytes: ByteView(copying: try TinyModel.bytes()))
        #expect(file.manifest == TinyModel.manifest)
        #expect(file.chatTemplate == "{{ messages }}")
        #expect(file.tokenizerBytes.map { Array($0) } == Array("tokens".utf8))
        #expect(file.generation == 1 && file.tornByteCount == 0 && file.version == .current)
        #expect(file.profiles.map(\.name) == ["calm"])
        #expect(try file.profile(named: "calm") == TinyModel.profile("calm"))
        #expect(try file.profile(named: "other") == nil)
        #expect(file.originByteOffset == 0)

        let expected = TinyModel.tensors()
        #expect(file.tensorIndex.entries.count == expected.count)
        for (role, layer, encoding, rows, columns) in expected {
            let entry = try #require(file.tensorIndex[role, layer])
            #expect(entry.encoding == encoding && entry.rows == rows && entry.columns == columns)
            let bytes = file.bytes(of: entry)
            #expect(bytes.count == encoding.byteCount(rows: rows, columns: columns))
            #expect(entry.byteOffset % 64 == 0)
            #expect(
                bytes.enumerated().allSatisfy {
                    $1 == UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(role.rawValue))
                })
        }
        #expect(file.tensorIndex[.output] == nil && file.tensorIndex[.query, 2] == nil)
    }

    @Test func sectionsLieAtTheirAlignments() throws {
        let file = try TillerFile(bytes: ByteView(copying: try TinyModel.bytes()))
        for section in file.sections {
            #expect(section.byteOffset % (section.kind == .weights ? 4096 : 64) == 0)
        }
        let kinds = file.sections.map(\.kind)
        #expect(
            kinds == [.free, .weights, .tensorIndex, .manifest, .tokenizer, .chatTemplate, .steeringProfile])
        #expect(file.deadByteCount == 4096 - 64)
    }

    @Test func aFileIsTheSameWhoeverWritesIt() throws {
        #expect(try TinyModel.bytes() == TinyModel.bytes())
    }

    @Test func optionalPartsMayBeMissing() throws {
        let bytes = try TinyModel.bytes(tokenizer: nil, chatTemplate: nil, profiles: [])
        let file = try TillerFile(bytes: ByteView(copying: bytes))
        #expect(file.tokenizerBytes == nil && file.chatTemplate == nil && file.profiles.isEmpty)
    }

    @Test func tensorsWrittenInPiecesEqualThoseWrittenAtOnce() throws {
        var file: [UInt8] = []
        let writer = try TillerFileWriter(sink: { file.append(contentsOf: $0) })
        for (role, layer, encoding, rows, columns) in TinyModel.tensors() {
            try writer.beginTensor(role, layer: layer, encoding: encoding, rows: rows, columns: columns)
            let size = try #require(encoding.byteCount(rows: rows, columns: columns))
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(role.rawValue)) }
            for start in stride(from: 0, to: size, by: 37) {
                try bytes[start..<min(start + 37, size)].withUnsafeBytes { try writer.write($0) }
            }
            writer.endTensor()
        }
        try writer.finish(
            manifest: TinyModel.manifest, tokenizer: Array("tokens".utf8), chatTemplate: "{{ messages }}",
            profiles: [TinyModel.profile("calm").encoded(for: TinyModel.manifest.configuration)])
        #expect(try file == TinyModel.bytes())
    }

    @Test func verifyingReadsEverythingAndReportsProgress() throws {
        var bytes = try TinyModel.bytes()
        var last = (0, 1)
        let isComplete = try TillerFile(bytes: ByteView(copying: bytes)).verify {
            last = ($0, $1)
            return true
        }
        #expect(isComplete && last.0 == last.1)
        #expect(try TillerFile(bytes: ByteView(copying: bytes)).verify { _, _ in false } == false)

        // A damaged weight is found by `verify`, not at opening.
        bytes[5000] ^= 1
        let damaged = try TillerFile(bytes: ByteView(copying: bytes))
        let error = #expect(throws: FormatError.self) { try damaged.verify() }
        #expect(error?.rule == .tillerSectionDigest)
    }

    @Test func aModelIsFoundBehindAnExecutable() throws {
        let model = try TinyModel.bytes()
        var bundle: [UInt8] = [0x7F] + Array("ELF".utf8) + [UInt8](repeating: 1, count: 9000)
        bundle += [UInt8](repeating: 0, count: 12288 - bundle.count)
        bundle += model
        let file = try TillerFile(bytes: ByteView(copying: bundle))
        #expect(file.originByteOffset == 12288 && file.manifest == TinyModel.manifest)
        #expect(try file.verify())
        #expect(file.weightsView.byteOffset == 12288 + 4096)

        // No model, and a model off the page boundary.
        #expect(rule(of: Array(bundle[..<12288])) == .tillerMagic)
        #expect(
            rule(of: [0x7F] + Array("ELF".utf8) + [UInt8](repeating: 0, count: 60) + model) == .tillerMagic)
        // Text before a model is no executable.
        #expect(rule(of: [UInt8](repeating: 0, count: 4096) + model) == .tillerMagic)
    }

    @Test func everyConfigurationRoundTrips() throws {
        var gemma = ModelConfiguration(
            family: "gemma3", vocabularySize: 262_144, hiddenSize: 640, intermediateSize: 2048, headCount: 4,
            keyValueHeadCount: 1, headSize: 256, contextLength: 32_768, rmsNormEpsilon: 1e-6,
            embeddingScale: Float(640).squareRoot(), hasTiedEmbeddings: true, finalLogitSoftcap: 30,
            rotaries: [1e6, 1e4].map { RotaryPlan(theta: $0, rotatedSize: 256) },
            layers: (1...18).map { number in
                LayerPlan(
                    attention: .init(
                        scale: 0.0625, window: number % 6 == 0 ? nil : 512, rotary: number % 6 == 0 ? 0 : 1,
                        queryKeyNorm: .perHead),
                    feedForward: .init(activation: .geluTanh), norms: .both)
            })
        #expect(try ModelConfiguration(JSON.parse(gemma.json.serialized())) == gemma)
        // What version 1.0 can say is written as it was.
        #expect(
            gemma.json["slidingWindowPattern"] == 6 && gemma.json["localRopeTheta"]?.doubleValue == 10_000)
        #expect(gemma.json["layers"] == nil)
        for scaling: RotaryPlan.Scaling in [
            .none, .linear(factor: 8), .perFrequencyFactors,
            .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192),
            .yarn(factor: 4, originalContextLength: 32_768, betaFast: 32, betaSlow: 1, attentionFactor: nil),
            .yarn(
                factor: 4.1, originalContextLength: 32_768, betaFast: 32, betaSlow: 1, attentionFactor: 0.1),
            .longRoPE(originalContextLength: 4096, attentionFactor: 1.19),
        ] {
            gemma.rotaries[0].scaling = scaling
            #expect(try ModelConfiguration(JSON.parse(gemma.json.serialized())) == gemma)
        }
    }

    /// Everything in which layers may differ from each other, and what no member of version 1.0 says.
    @Test func layersMayDiffer() throws {
        var model = TinyModel.configuration
        model.rotaries = [
            RotaryPlan(theta: 1e4, scaling: .linear(factor: 2), rotatedSize: 12),
            RotaryPlan(theta: 5e5, rotatedSize: 16),
        ]
        let plain = LayerPlan(attention: .init(scale: 0.25))
        var other = LayerPlan(
            attention: .init(
                scale: 0.5, window: 7, rotary: nil, queryKeyNorm: .perHead, hasBias: true, hasOutputBias: true
            ),
            feedForward: .init(activation: .geluTanh), norms: .both, residualScale: 0.22)
        model.layers = [plain, plain, other]
        other.attention?.rotary = 1
        model.layers += [other, plain]
        model.logitScale = 0.125
        let json = model.json
        #expect(json["layers"]?.arrayValue?.map { $0["count"]?.intValue } == [2, 1, 1, 1])
        #expect(try ModelConfiguration(JSON.parse(json.serialized())) == model)
        for change: (inout ModelConfiguration) -> Void in [
            { $0.logitScale = 1 }, { $0.rotaries[0].rotatedSize = 16 }, { $0.layers = [plain, plain] },
        ] {
            var changed = model
            change(&changed)
            #expect(try ModelConfiguration(JSON.parse(changed.json.serialized())) == changed)
        }
        // A second rotary that no layer uses is none of version 1.0, which has it for layers with a window alone.
        var unused = TinyModel.configuration
        unused.rotaries.append(RotaryPlan(theta: 5e5, rotatedSize: 16))
        #expect(try ModelConfiguration(JSON.parse(unused.json.serialized())) == unused)
        for norms: LayerPlan.Norms in [.before, .after, .both] {
            for norm: LayerPlan.QueryKeyNorm? in [nil, .perHead, .whole] {
                var changed = model
                changed.layers[2].norms = norms
                changed.layers[2].attention?.queryKeyNorm = norm
                #expect(try ModelConfiguration(JSON.parse(changed.json.serialized())) == changed)
            }
        }
        #expect(TensorRole.queryBias.shape(in: model, layer: 1) == nil)
        #expect(TensorRole.queryBias.shape(in: model, layer: 2)?.columns == 32)
        #expect(TensorRole.ropeFactors.shape(in: model, layer: nil) == nil)
    }

    /// Members that other models do not need are not in their files.
    @Test func placesOfNormsAreWrittenWhereTheyAreUnusual() throws {
        var model = TinyModel.configuration
        model.logitScale = 0.5
        let usual = model.json.serialized()
        #expect(!usual.contains("hasPreNorms") && !usual.contains("normSpansHeads"))
        model.forEachLayer {
            $0.norms = .after
            $0.attention?.queryKeyNorm = .whole
        }
        let layer = model.json["layers"]?.arrayValue?.first
        #expect(layer?["hasPreNorms"] == false && layer?["hasPostNorms"] == true)
        #expect(layer?["attention"]?["normSpansHeads"] == true)
        #expect(TensorRole.attentionNorm.shape(in: model, layer: 0) == nil)
        #expect(TensorRole.feedForwardNorm.shape(in: model, layer: 0) == nil)
        #expect(TensorRole.queryNorm.shape(in: model, layer: 0)?.columns == model.querySize)
        #expect(TensorRole.keyNorm.shape(in: model, layer: 0)?.columns == model.keyValueSize)
        // The members of version 1.0 cannot say it, whatever else is uniform.
        model.logitScale = 1
        #expect(model.json["layers"] != nil)
    }

    @Test func whatIsUnusualInAttentionIsWrittenOnlyThere() throws {
        var model = TinyModel.configuration
        model.logitScale = 0.5
        let names = ["normFollowsRotary", "temperature", "softcap"]
        let usual = model.json.serialized()
        #expect(names.allSatisfy { !usual.contains($0) })
        let change: [(inout LayerPlan.Attention) -> Void] = [
            { ($0.queryKeyNorm, $0.normFollowsRotary) = (.perHead, true) },
            { $0.temperature = .init(factor: 0.1, length: 16_384) }, { $0.softcap = 50 },
        ]
        for (name, change) in zip(names, change) {
            var other = model
            var attention = try #require(other.layers[0].attention)
            change(&attention)
            other.layers[0].attention = attention
            #expect(try ModelConfiguration(other.json) == other)
            #expect(other.json.serialized().contains(name))
            // The members of version 1.0 cannot say it.
            other.logitScale = 1
            #expect(other.json["layers"] != nil)
        }
        for (text, rule, found) in [
            ("\"normFollowsRotary\":true,", FormatRule.tillerConfigurationRange, "without hasQueryKeyNorm"),
            ("\"softcap\":0,", .tillerConfigurationRange, "attention.softcap"),
            ("\"softcap\":\"50\",", .tillerConfigurationField, "attention.softcap"),
            (
                "\"temperature\":{\"factor\":-1,\"length\":8},", .tillerConfigurationRange,
                "temperature.factor"
            ),
            ("\"temperature\":{\"factor\":1,\"length\":0},", .tillerConfigurationRange, "temperature.length"),
            ("\"temperature\":{\"factor\":1},", .tillerConfigurationField, "temperature.length"),
            (
                "\"temperature\":{\"factor\":1,\"length\":8,\"offset\":1},", .tillerConfigurationField,
                "temperature.offset"
            ),
        ] {
            var plain = model
            plain.forEachLayer { $0.attention?.queryKeyNorm = nil }
            let changed = plain.json.serialized().replacing("\"hasBias\"", with: text + "\"hasBias\"")
            let error = try #require(throws: FormatError.self) { try ModelConfiguration(JSON.parse(changed)) }
            #expect(error.rule == rule && error.found.contains(found), "\(error)")
        }
    }

    @Test func contradictoryNormsAreRefused() throws {
        var model = TinyModel.configuration
        model.logitScale = 0.5
        model.forEachLayer { $0.norms = .after }
        let none = model.json.serialized().replacing("\"hasPostNorms\":true", with: "\"hasPostNorms\":false")
        model.forEachLayer { $0.attention?.queryKeyNorm = .whole }
        let spans = model.json.serialized()
            .replacing("\"hasQueryKeyNorm\":true", with: "\"hasQueryKeyNorm\":false")
        for (text, found) in [
            (none, "neither hasPreNorms nor hasPostNorms"), (spans, "without hasQueryKeyNorm"),
        ] {
            let error = try #require(throws: FormatError.self) { try ModelConfiguration(JSON.parse(text)) }
            #expect(error.rule == .tillerConfigurationRange && error.found.contains(found))
        }
        let words = model.json.serialized().replacing("\"hasPreNorms\":false", with: "\"hasPreNorms\":\"no\"")
        let error = try #require(throws: FormatError.self) { try ModelConfiguration(JSON.parse(words)) }
        #expect(error.rule == .tillerConfigurationField)
    }

    @Test func openingALargeIndexIsFast() throws {
        var manifest = TinyModel.manifest
        manifest.configuration.layers = Array(repeating: TinyModel.configuration.layers[0], count: 30)
        let bytes = ByteView(copying: try TinyModel.bytes(manifest: manifest, profiles: []))
        let clock = ContinuousClock()
        var tensorCount = 0
        let fastest = try (0..<20).map { _ in
            try clock.measure { tensorCount = try TillerFile(bytes: bytes).tensorIndex.entries.count }
        }.min()
        let microseconds = Int((fastest ?? .zero) / .microseconds(1))
        print("tiller: \(tensorCount) tensors opened in \(microseconds) µs")
        #expect(microseconds < 10_000)
    }

    private func rule(of bytes: [UInt8]) -> FormatRule? {
        do {
            _ = try TillerFile(bytes: ByteView(copying: bytes))
            return nil
        } catch {
            return error.rule
        }
    }
}
