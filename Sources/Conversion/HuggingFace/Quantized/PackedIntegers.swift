// SPDX-License-Identifier: Apache-2.0
// Integers of a few bits as quantized checkpoints store them: streams of bits in 32-bit words. All formats that are read differ
// only in the direction of the streams, and AWQ in the order within a word.

import Formats

/// Unsigned integers of 2 to 8 bits in little-endian 32-bit words, the first in the lowest bits; one may span two words.
struct PackedIntegers: Sendable {
    let words: ByteView
    let bitCount: Int
    /// Words from the start of a stream to that of the next.
    let streamStride: Int
    /// Words from one word of a stream to its next.
    let wordStride: Int
    /// Whether the eight integers of a word have AWQ's order.
    var isInterleaved = false
    /// Added to each word, modulo 2³².
    var wordAddend: UInt32 = 0
    /// Added to each integer, modulo 2^bitCount.
    var addend = 0

    /// The place within a word of AWQ's integers 0 to 7: its writer stores 0, 2, 4, 6, 1, 3, 5, 7.
    private static let interleavedPlaces = [0, 4, 1, 5, 2, 6, 3, 7]

    /// - Precondition: the stream has the integer.
    @inline(__always)
    subscript(stream: Int, index: Int) -> Int {
        let place = isInterleaved ? index & ~7 | Self.interleavedPlaces[index & 7] : index
        let bit = place * bitCount
        let (word, shift) = (bit >> 5, bit & 31)
        let start = stream * streamStride + word * wordStride
        var value = load(start) >> UInt32(shift)
        if shift + bitCount > 32 { value |= load(start + wordStride) << UInt32(32 - shift) }
        return (Int(value) + addend) & (1 << bitCount - 1)
    }

    @inline(__always)
    private func load(_ word: Int) -> UInt32 { words.load(UInt32.self, at: 4 * word) &+ wordAddend }

    /// Words that hold a number of integers.
    static func wordCount(_ count: Int, bitCount: Int) -> Int { (count * bitCount + 31) / 32 }
}
