// SPDX-License-Identifier: Apache-2.0
// The JSON files of model folders, damaged by the thousand: each is either refused with an error or converted;
// nothing may trap.

import Conversion
import Quantization
import TestSupport
import Testing

@Suite struct FolderMutationTests {
    /// Values that are well formed and seldom right.
    private static let values = [
        "0", "-1", "1", "2", "64", "1e9", "1e-30", "0.5", "65536", "1048576", "2147483648",
        "9223372036854775807", "-9223372036854775808", "1e300", "null", "true", "false", "\"\"", "\"x\"",
        "[]",
        "{}", "[1]", "[[]]", "{\"type\": \"x\"}", "\"full_attention\"", "\"\\u0000\"", "\"▁\"", "\"<0x41>\"",
    ]

    /// Replaces one to three values, a value being what stands between a colon or a comma and the next one.
    private func mutated(_ text: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var text = text
        for _ in 0...Int.random(in: 0..<3, using: &generator) {
            let start = Int.random(in: 0..<text.count, using: &generator)
            let marks: Set<UInt8> = [UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "[")]
            guard let mark = text[start...].firstIndex(where: marks.contains) else { continue }
            let ends: Set<UInt8> = [UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x0A]
            let end = text[(mark + 1)...].firstIndex(where: ends.contains) ?? text.count
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: text[mark] = UInt8.random(in: 0...255, using: &generator)
            case 1: text.removeSubrange(mark..<end)
            default:
                let value = Self.values.randomElement(using: &generator) ?? ""
                text.replaceSubrange((mark + 1)..<end, with: value.utf8)
            }
        }
        return text
    }

    @Test(
        arguments: ["llama", "llama-yarn", "mistral", "gemma3-vision"],
        [
            "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
        ])
    func damagedSettingsAreReadOrRefused(name: String, file: String) throws {
        let copy = FolderCopy(name)
        let original = copy.bytes(of: file)
        var generator = SeededGenerator(seed: UInt64(name.utf8.count * 100 + file.utf8.count))
        let encodings = EncodingChoice(weights: .float32, head: .float32)
        var accepted = 0
        var refused: Set<String> = []
        // Where a file is a vocabulary, nearly all damage is found, so the file as it was is among the accepted ones.
        for round in 0...250 {
            copy.write(round == 0 ? original : mutated(original, &generator), to: file)
            do {
                let source = try ModelSource(path: copy.path)
                _ = try TensorPlan(source, encodings: encodings)
                accepted += 1
            } catch {
                refused.insert("\(error)")
            }
        }
        #expect(accepted > 0 && refused.count > 5, "\(accepted) accepted, \(refused.count) refused")
    }
}
