// SPDX-License-Identifier: Apache-2.0
// A .tiller file as a source: other weights, the same model, the same profiles.

import Conversion
import Formats
import ModelFixtures
import Quantization
import Steering
import TestSupport
import Testing

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

    @Test(arguments: ["llama", "mistral", "gemma3"], [TensorEncoding.float16, .int8, .int4])
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

    @Test func whatWasQuantizedBeforeIsSaid() throws {
        let path = try TinyModel("llama").convert(.int8, in: folder)
        let remarks = try convert(path, .int4).summary.remarks
        #expect(remarks.count == 1 && remarks[0].contains("quantized already (int8)"))
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
            summary.remarks.first?.contains("'foreign' stays behind: it was made for another source") == true)
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
