// SPDX-License-Identifier: Apache-2.0
// The texts to find before a text is split: the section's list, or a list in memory that is matched in normalized text.

/// Texts in ascending byte order, each with its token.
protocol SpecialPatterns {
    var count: Int { get }
    func byteCount(_ index: Int) -> Int
    /// - Precondition: `offset` is less than the text's count of bytes.
    func byte(_ index: Int, at offset: Int) -> UInt8
    func token(_ index: Int) -> Int32
    /// The index of the first text whose first byte is at least `byte`; 256 gives the count.
    func firstIndex(ofByte byte: Int) -> Int
}

/// The list of the section.
struct SectionPatterns: SpecialPatterns {
    let tables: TokenizerTables

    var count: Int { tables.layout.specialCount }
    func byteCount(_ index: Int) -> Int { tables.textRange(of: tables.specialToken(index)).count }

    @inline(__always)
    func byte(_ index: Int, at offset: Int) -> UInt8 {
        tables.textByte(tables.textRange(of: tables.specialToken(index)).lowerBound + offset)
    }

    func token(_ index: Int) -> Int32 { tables.specialToken(index) }
    @inline(__always)
    func firstIndex(ofByte byte: Int) -> Int { tables.firstByteIndex(byte) }
}

/// A list in memory.
struct ListedPatterns: SpecialPatterns, Sendable {
    private let texts: [[UInt8]]
    private let tokens: [Int32]
    private let firstIndices: [Int]

    /// Of equal texts the last one counts.
    init(_ entries: [(text: String, token: Int32)]) {
        var ids: [[UInt8]: Int32] = [:]
        for (text, token) in entries where !text.isEmpty { ids[Array(text.utf8)] = token }
        let sorted = ids.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        texts = sorted.map(\.key)
        tokens = sorted.map(\.value)
        var counts = [Int](repeating: 0, count: 257)
        for text in texts { counts[Int(text[0]) + 1] += 1 }
        for byte in 1...256 { counts[byte] += counts[byte - 1] }
        firstIndices = counts
    }

    var count: Int { texts.count }
    func byteCount(_ index: Int) -> Int { texts[index].count }
    func byte(_ index: Int, at offset: Int) -> UInt8 { texts[index][offset] }
    func token(_ index: Int) -> Int32 { tokens[index] }
    func firstIndex(ofByte byte: Int) -> Int { firstIndices[byte] }
}
