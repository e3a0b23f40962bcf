// SPDX-License-Identifier: Apache-2.0
// A GGUF model in several files: the same model as in one, whichever part is named; wrong parts are refused by name.

import Conversion
import Formats
import Glibc
import Models
import Platform
import Quantization
import TestSupport
import Testing

@Suite struct SplitGGUFTests {
    private let folder = TemporaryFolder()
    private static let models = packageRoot + "/Tests/Fixtures/models"

    private func part(_ number: Int, of count: Int = 3) -> String {
        "\(folder.path)/m-0000\(number)-of-0000\(count).gguf"
    }

    /// The parts in the folder.
    private func copyParts() throws {
        for number in 1...3 {
            try copyFile("\(Self.models)/split/qwen2-0000\(number)-of-00003.gguf", to: part(number))
        }
    }

    private func copyFile(_ source: String, to target: String) throws {
        try write(readFile(path: source, limit: 1 << 20), to: target)
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let file = try #require(fopen(path, "wb"))
        defer { fclose(file) }
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    private func convert(_ path: String, to name: String = "out.tiller") throws -> TillerFile {
        let output = "\(folder.path)/\(name)"
        _ = try Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 1, program: "test"
        ).convert(path, to: output)
        return try TillerFile(path: output)
    }

    private func refusal(_ path: String) -> String {
        do {
            _ = try ModelSource(path: path)
            return "nothing was refused"
        } catch { return "\(error)" }
    }

    @Test(arguments: 1...3) func anyPartStandsForTheWhole(number: Int) throws {
        try copyParts()
        let whole = try convert("\(Self.models)/qwen2.gguf", to: "whole.tiller")
        let file = try convert(part(number))
        #expect(file.manifest.configuration == whole.manifest.configuration)
        #expect(file.tensorIndex.entries == whole.tensorIndex.entries)
        #expect(Array(file.weights) == Array(whole.weights))
        #expect(file.manifest.source.byteCount == 64096 + 25568 + 29632)
    }

    @Test func aMissingPartIsNamed() throws {
        try copyParts()
        unlink(part(2))
        #expect(refusal(part(1)) == "\(part(2)) is missing, part 2 of 3 of the model of \(part(1))")
    }

    @Test func aPartUnderAnotherNameIsRefused() throws {
        try copyParts()
        #expect(rename(part(2), "\(folder.path)/other.gguf") == 0)
        #expect(
            refusal("\(folder.path)/other.gguf")
                == "\(folder.path)/other.gguf is part 2 of 3 of a model, expected a name that ends with -00002-of-00003.gguf"
        )
        try copyFile(part(3), to: part(2))
        #expect(
            refusal(part(1)) == "\(part(2)) is part 3 of 3, expected part 2 of 3, as its name says")
        try copyFile("\(Self.models)/llama.gguf", to: part(2))
        #expect(refusal(part(1)) == "\(part(2)) is part 1 of 1, expected part 2 of 3, as its name says")
    }

    /// Every byte of the parts' tables: an error or the same model, never a trap.
    @Test func damagedPartsAreRefused() throws {
        try copyParts()
        var bytes = try readFile(path: part(2), limit: 1 << 20)
        for index in stride(from: 0, to: 400, by: 3) {
            bytes[index] ^= 0x15
            try write(bytes, to: part(2))
            _ = try? ModelSource(path: part(1))
            bytes[index] ^= 0x15
        }
    }

    @Test func noPartIsOverwritten() throws {
        try copyParts()
        #expect(throws: ConversionError.self) { try ModelSource(path: part(1), output: part(3)) }
    }
}
