// SPDX-License-Identifier: Apache-2.0
// The specifications say what the code does: the worked example of formats/tiller.md is a file that is
// written and read byte for byte, and every rule of the code stands in its document under its number.

import Formats
import Glibc
import Steering
import Testing

struct SpecificationTests {
    static let folder: String = {
        // …/Tests/FormatsTests/SpecificationTests.swift
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/formats"
    }()

    static let example = SteeringProfile(
        name: "calm", description: "Calmer answers", sourceHash: SHA256.digest(of: "abc".utf8), hiddenSize: 4,
        layerCount: 2, method: "mean-difference", phase: .generation,
        operations: [.init(.add, layer: 1, vector: 0, coefficient: 1)], residualRMS: [1, 2.5],
        recommendedStrength: 0.5, minimumStrength: -1, maximumStrength: 1, provenance: ["pairs": 64],
        vectors: [[0.5, -0.5, 0.5, -0.5]])

    /// The lines of a document.
    private func lines(_ name: String) -> [Substring] {
        let file = TemporaryFolder().read("\(Self.folder)/\(name)")
        return String(decoding: file, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// Lines such as `000 89 54 49 # comment`, `110 text {"description"` or `230 zero 16`.
    private func exampleBytes() -> [UInt8] {
        var bytes: [UInt8] = []
        let block = lines("tiller.md").drop { $0 != "```hex" }.dropFirst().prefix { $0 != "```" }
        for line in block {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            #expect(words.first.flatMap { Int($0, radix: 16) } == bytes.count, "offset of: \(line)")
            if words[1] == "text" {
                bytes += Array(line.drop { $0 != " " }.dropFirst(6).utf8)
            } else if words[1] == "zero" {
                bytes += [UInt8](repeating: 0, count: Int(words[2]) ?? 0)
            } else {
                bytes += words.dropFirst().prefix { $0 != "#" }.compactMap { UInt8($0, radix: 16) }
            }
        }
        return bytes
    }

    @Test func theWorkedExampleIsWhatIsWrittenAndRead() throws {
        let bytes = exampleBytes()
        #expect(try bytes == TillerProfileFile.bytes(of: Self.example))
        #expect(try TillerProfileFile.profile(in: ByteView(copying: bytes)) == Self.example)
    }

    @Test(arguments: [
        ("gguf.md", FormatRule.gguf), ("safetensors.md", FormatRule.safetensors),
        ("tiller.md", FormatRule.tiller), ("activations.md", FormatRule.activations),
        ("bundle.md", FormatRule.bundle), ("session.md", FormatRule.session),
        ("signature.md", FormatRule.signature),
    ])
    func everyRuleStandsInItsDocument(name: String, rules: [FormatRule]) {
        let rows = lines(name).filter { $0.hasPrefix("| R") }
        #expect(rows.count == rules.count)
        for (row, rule) in zip(rows, rules) {
            #expect(row.hasPrefix("| R\(rule.number) | \(rule.title) |") && rule.document == name)
        }
        #expect(lines(name).count <= 301)
    }
}
