// SPDX-License-Identifier: Apache-2.0
// SentencePiece writes a space as U+2581 and does not distinguish the two. Tables and texts here use the space itself.

enum SpaceMark {
    /// U+2581 in UTF-8.
    static let bytes: [UInt8] = [0xE2, 0x96, 0x81]

    /// The text with every U+2581 replaced by a space.
    static func replaced(in bytes: [UInt8]) -> [UInt8] {
        replaced(in: bytes.span, bytes.indices, prefix: false)
    }

    /// A part of a text with every U+2581 replaced by a space, and an additional leading space if `prefix` is true.
    static func replaced(in text: Span<UInt8>, _ range: Range<Int>, prefix: Bool) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(range.count + 1)
        if prefix { output.append(0x20) }
        var position = range.lowerBound
        while position < range.upperBound {
            let byte = text[position]
            if byte == 0xE2, position + 2 < range.upperBound, text[position + 1] == 0x96,
                text[position + 2] == 0x81
            {
                output.append(0x20)
                position += 3
            } else {
                output.append(byte)
                position += 1
            }
        }
        return output
    }
}
