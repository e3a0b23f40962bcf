// SPDX-License-Identifier: Apache-2.0
// A section that passes its checks cannot crash, whatever is in it; one that does not is refused with an error.

import Testing
import TestSupport
import Tokenization

private let text =
    "The ferry\n\n\nleaves   at nine, doesn't it? 1234 渡し船は九時 🚢🌊 <|im_start|>x<note>y</note> \u{0}\u{FFFF}"
    + String(repeating: "ab ", count: 40) + String(repeating: " ", count: 90)

/// Overwrites some bytes at random: single bits, bytes, or words with numbers that parsers trip over.
private func mutate(_ section: [UInt8], with generator: inout SeededGenerator) -> [UInt8] {
    var bytes = section
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
        // A quarter of the changes hit the header and the first entries.
        let range = Int.random(in: 0..<4, using: &generator) == 0 ? 160 : bytes.count
        let offset = Int.random(in: 0..<min(range, bytes.count), using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: bytes[offset] = UInt8.random(in: 0...255, using: &generator)
        case 2:
            let values: [UInt32] = [0, 1, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, 0xF_FFFF, 0x10_0000, 259]
            let value = values[Int.random(in: 0..<values.count, using: &generator)]
            let word = offset / 4 * 4
            guard word + 4 <= bytes.count else { continue }
            for index in 0..<4 { bytes[word + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
        default:
            // Two stretches of the section change places.
            let other = Int.random(in: 0..<bytes.count, using: &generator)
            for index in 0..<8 where max(offset, other) + index < bytes.count {
                bytes.swapAt(offset + index, other + index)
            }
        }
    }
    if Int.random(in: 0..<20, using: &generator) == 0 {
        bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
    }
    return bytes
}

@Test(arguments: [1, 2, 3, 4] as [UInt64])
func mutatedSectionsNeverTrap(seed: UInt64) throws {
    var vocabulary =
        try seed < 3
        ? TestTokenizers.byteLevel(seed == 1 ? .gpt2 : .tekken)
        : TestTokenizers.vocabulary(seed == 3 ? .sentencePieceBPE : .characterBPE)
    vocabulary.ignoresMerges = seed == 2
    let section = try TokenizerBuilder(vocabulary: vocabulary).build()
    var generator = SeededGenerator(seed: seed)
    var openedCount = 0
    for _ in 0..<3000 {
        let bytes = mutate(section, with: &generator)
        bytes.withUnsafeBytes { memory in
            guard let tokenizer = try? Tokenizer(bytes: memory, owner: nil) else { return }
            openedCount += 1
            let ids = tokenizer.encode(text, addSpecial: true, parseSpecial: true)
            _ = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
            _ = tokenizer.decode(ids + [-1, .max, .min], skipSpecial: false)
            var decoder = TokenDecoder(tokenizer)
            for id in ids { _ = decoder.append(id) }
            _ = decoder.finish()
            _ = tokenizer.endOfGeneration.map { tokenizer.text(of: $0) }
        }
    }
    // Both outcomes are exercised.
    #expect(openedCount > 100 && openedCount < 2900, "\(openedCount)")
}
