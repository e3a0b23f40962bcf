// SPDX-License-Identifier: Apache-2.0
// A .tiller file as a source: other weights, the same model, the same profiles.

import Conversion
import Formats
import ModelFixtures
import Models
import Quantization
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct RequantizationTests {
    private let folder = TemporaryFolder()

    private func convert(_ path: String, _ weights: TensorEncoding) throws -> (
        file: TillerFile, summary: ConversionSummary
    ) {
        let output = "\(folder.path)/other-\(weights).tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: weights, head: weights), replacesExisting: true,
            threadCount: 2,
            program: "test")
        let summary = try converter.convert(path, to: output)
        return (try TillerFile(path: output), summary)
    }

    private func expectSameWeights(_ a: TillerFile, _ b: TillerFile) {
        #expect(a.tensorIndex.entries == b.tensorIndex.entries)
        #expect(a.weights.elementsEqual(b.weights))
    }

    @Test(
        arguments: ["llama", "mistral", "gemma3", "olmo3", "qwen3moe", "lfm2", "qwen35"],
        [TensorEncoding.float16, .int8, .int4])
    func fromFullPrecisionTheWeightsAreThoseOfTheSource(name: String, weights: TensorEncoding) throws {
        let model = try TinyModel(name)
        let (file, summary) = try convert(model.convert(.float32, in: folder), weights)
        let direct = try TillerFile(path: model.convert(weights, in: folder))
        expectSameWeights(file, direct)
        #expect(summary.remarks.isEmpty)
        #expect(file.manifest.source == direct.manifest.source && file.chatTemplate == direct.chatTemplate)
        #expect(file.manifest.configuration == direct.manifest.configuration)
        let (tokens, expected) = (file.tokenizerBytes, direct.tokenizerBytes)
        #expect(tokens.map { Array($0) } == expected.map { Array($0) })
    }

    @Test(arguments: [TensorEncoding.float32, .float16, .int8, .int4])
    func theSameEncodingLeavesTheBytes(weights: TensorEncoding) throws {
        let path = try TinyModel("llama").convert(weights, in: folder)
        let (file, summary) = try convert(path, weights)
        expectSameWeights(file, try TillerFile(path: path))
        #expect(summary.remarks.isEmpty)
    }

    /// A vocabulary whose common tokens have more bits than others.
    @Test func segmentsAreWhatTheWholeIs() throws {
        let model = try TinyModel("llama")
        func convert(_ source: String, _ encodings: EncodingChoice, _ name: String) throws -> TillerFile {
            let converter = Converter(
                encodings: encodings, replacesExisting: true, threadCount: 2, program: "test")
            _ = try converter.convert(source, to: "\(folder.path)/\(name)")
            return try TillerFile(path: "\(folder.path)/\(name)")
        }
        let exact = try model.convert(.float32, in: folder)
        var choice = EncodingChoice(weights: .int4, head: .int4)
        choice.vocabularyExceptions = [RowSegment(0..<32, .int8), RowSegment(64..<1 << 20, .int8)]
        let mixed = try convert(exact, choice, "mixed.tiller")
        let segments = mixed.tensorIndex.segments(.tokenEmbedding)
        #expect(segments.map(\.encoding) == [.int8, .int4, .int8] && segments.map(\.rows)[..<2] == [32, 32])
        for encoding in [TensorEncoding.int8, .int4] {
            let whole = try convert(exact, EncodingChoice(weights: .int4, head: encoding), "whole.tiller")
            let all = try #require(whole.tensorIndex[.tokenEmbedding])
            let tileBytes = try #require(encoding.tileByteCount(columns: all.columns))
            var first = 0
            for segment in segments {
                if segment.encoding == encoding {
                    let bytes = whole.bytes(of: all)[(first / 16 * tileBytes)...].prefix(segment.byteCount)
                    #expect(mixed.bytes(of: segment).elementsEqual(bytes))
                }
                first += segment.rows
            }
        }
        // As it is, and from its numbers.
        expectSameWeights(try convert("\(folder.path)/mixed.tiller", choice, "copy.tiller"), mixed)
        let again = try convert(
            "\(folder.path)/mixed.tiller", EncodingChoice(weights: .int4, head: .float32), "again.tiller")
        #expect(again.tensorIndex.segments(.tokenEmbedding).count == 1)
        let engine = try Engine(path: "\(folder.path)/mixed.tiller")
        let float = try Engine(path: "\(folder.path)/again.tiller")
        let logits = try [engine, float].map {
            try $0.makeSession(contextLength: 64).logits(of: model.tokens, at: [0, 3])
        }
        let largest = logits[1].map(abs).max() ?? 0
        let difference = zip(logits[0], logits[1]).map { abs($0 - $1) }.max() ?? 0
        #expect(difference < largest / 50, "\(difference) of \(largest)")
    }

    @Test func whatWasQuantizedBeforeIsSaid() throws {
        let path = try TinyModel("llama").convert(.int8, in: folder)
        let remarks = try convert(path, .int4).summary.remarks
        #expect(remarks.count == 1 && remarks[0].contains("already quantized (int8)"))
    }

    @Test func profilesGoWithTheirSource() throws {
        let path = try TinyModel("llama").convert(.float32, in: folder)
        let manifest = try TillerFile(path: path).manifest
        let vector = try ControlVector(readingFrom: "\(TinyModel.folder)/llama.steering.gguf")
        let own = try vector.profile(
            named: "own", configuration: manifest.configuration, sourceHash: manifest.source.sha256)
        var foreign = own
        foreign.name = "foreign"
        foreign.sourceHash = SHA256.digest(of: [1, 2, 3] as [UInt8])
        try TillerProfileStore.add(own, in: path)
        try TillerProfileStore.add(foreign, in: path, acceptsOtherSource: true)
        let (file, summary) = try convert(path, .int8)
        #expect(file.profiles.map(\.name) == ["own"])
        #expect(try file.profile(named: "own") == own)
        #expect(summary.remarks.count == 1)
        #expect(
            summary.remarks.first?.contains("'foreign' is not kept: it was made for another source") == true)
    }

    @Test func damagedWeightsGetNoNewDigest() throws {
        let copy = FolderCopy("qwen3")
        let path = try TinyModel("llama").convert(.float32, in: folder)
        let place = try #require(try TillerFile(path: path).sections.first { $0.kind == .weights })
        var bytes = FolderCopy.bytes(at: path)
        bytes[place.byteOffset + 100] ^= 1
        copy.write(bytes, to: "damaged.tiller")
        let error = try #require(throws: ConversionError.self) {
            try convert("\(copy.path)/damaged.tiller", .int8)
        }
        #expect(error.description.contains("damaged.tiller: tiller.md R12"))
    }
}
