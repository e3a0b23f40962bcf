// SPDX-License-Identifier: Apache-2.0
// Where things lie in a tokenizer section, worked out from formats/tokenizer.md §3 and not from the reader.

struct SectionMap {
    var bytes: [UInt8]

    // Header fields.
    static let version = 4
    static let flags = 6
    static let kind = 8
    static let preTokenizer = 9
    static let longestToken = 10
    static let tokenCount = 12
    static let textByteCount = 16
    static let mergeCount = 20
    static let mergeSlotCount = 24
    static let textSlotCount = 28
    static let specialCount = 32
    static let endOfGenerationCount = 36
    static let beginOfSequence = 40
    static let reserved = 56

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func word(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } }

    mutating func set(_ offset: Int, _ value: Int) {
        for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
    }

    /// Three bytes, as in the text offsets.
    mutating func setThree(_ offset: Int, _ value: Int) {
        for index in 0..<3 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
    }

    /// The first bytes of the arrays, in file order, and the end of the section.
    var arrays:
        (
            merges: Int, mergeSlots: Int, textSlots: Int, textOffsets: Int, scores: Int, byteTokens: Int,
            firstBytes: Int, specialTokens: Int, endOfGeneration: Int, types: Int, texts: Int, rules: Int,
            end: Int
        )
    {
        let tokens = word(Self.tokenCount)
        var next = 96
        func place(_ byteCount: Int) -> Int {
            defer { next = (next + byteCount + 7) / 8 * 8 }
            return next
        }
        return (
            place(8 * word(Self.mergeCount)), place(4 * word(Self.mergeSlotCount)),
            place(4 * word(Self.textSlotCount)), place(3 * (tokens + 1)),
            place(bytes[Self.kind] == 2 ? 4 * tokens : 0),
            place(1024), place(1028), place(4 * word(Self.specialCount)),
            place(4 * word(Self.endOfGenerationCount)),
            place(tokens), place(word(Self.textByteCount)),
            place(bytes[Self.version] == 2 ? word(Self.reserved) : 0), place(0)
        )
    }

    /// The first slot of a table that is occupied.
    func occupiedSlot(from offset: Int) -> Int {
        var slot = offset
        while word(slot) == 0xFFFF_FFFF { slot += 4 }
        return slot
    }
}
