// SPDX-License-Identifier: Apache-2.0
// The hash of the tables in a tokenizer section: part of the format, so it never changes within a version. A multiplication mixes
// upwards; the shift moves the mixed bits down to those that select the slot.

/// A hash whose lower half selects a slot and whose top 12 bits distinguish most unequal entries.
struct TokenHash {
    private(set) var value: UInt64

    /// formats/tokenizer.md §3.2: seeded by the length in bytes.
    @inline(__always)
    init(byteCount: Int) { value = UInt64(truncatingIfNeeded: byteCount) &* 0x9E37_79B9_7F4A_7C15 }

    /// A pair of tokens is a 40-bit number, hashed as the only word of an eight-byte text.
    @inline(__always)
    init(left: UInt64, right: UInt64) {
        self.init(byteCount: 8)
        mix(left | right << 20)
    }

    /// Adds the next eight bytes, little-endian; the last word is padded with zeros.
    @inline(__always)
    mutating func mix(_ word: UInt64) {
        value = (value ^ word) &* 0xD6E8_FEB8_6659_FD93
        value ^= value >> 32
    }

    /// The hash of a part of a text.
    @inline(__always)
    init(_ text: Span<UInt8>, _ range: Range<Int>) {
        self.init(byteCount: range.count)
        var position = range.lowerBound
        while position + 8 <= range.upperBound {
            var word: UInt64 = 0
            for index in 0..<8 { word |= UInt64(text[position + index]) << UInt64(8 * index) }
            mix(word)
            position += 8
        }
        if position < range.upperBound {
            var word: UInt64 = 0
            var shift: UInt64 = 0
            while position < range.upperBound {
                word |= UInt64(text[position]) << shift
                position += 1
                shift += 8
            }
            mix(word)
        }
    }

    @inline(__always)
    var tag: UInt32 { UInt32(truncatingIfNeeded: value >> 52) }

    /// The lower half as a fraction of 2^32, times the number of slots: works for any number of slots at the cost of a
    /// multiplication.
    @inline(__always)
    func slot(count: Int) -> Int {
        Int(truncatingIfNeeded: ((value & 0xFFFF_FFFF) &* UInt64(truncatingIfNeeded: count)) >> 32)
    }
}

/// One entry of an open-addressing table: twelve bits of the hash above a twenty-bit index.
struct TableSlot {
    static let empty: UInt32 = 0xFFFF_FFFF
    static let indexMask: UInt32 = 0xF_FFFF

    @inline(__always)
    static func packed(tag: UInt32, index: Int) -> UInt32 { tag << 20 | UInt32(truncatingIfNeeded: index) }

    /// The number of slots for a number of entries: the smallest that leaves a quarter empty.
    static func count(entries: Int) -> Int { (entries * 4 + 2) / 3 }

    /// The next slot, cyclically.
    @inline(__always)
    static func next(_ slot: Int, count: Int) -> Int { slot + 1 < count ? slot + 1 : 0 }

    /// The longest permitted run of occupied slots, which bounds a search. Tables of a million entries have runs of some 200;
    /// only entries chosen to collide make longer ones.
    static let maximumRunLength = 1024

    /// Places entries by linear probing.
    /// - Throws: `rule` for an entry without a free slot within `maximumRunLength`.
    static func table(
        hashes: [(hash: TokenHash, index: Int)], _ rule: TokenizerError.Rule
    ) throws(TokenizerError) -> [UInt32] {
        var slots = [UInt32](repeating: empty, count: count(entries: hashes.count))
        for (hash, index) in hashes {
            var slot = hash.slot(count: slots.count)
            var runLength = 1
            while slots[slot] != empty {
                slot = next(slot, count: slots.count)
                runLength += 1
            }
            guard runLength <= maximumRunLength else {
                throw TokenizerError(
                    rule, found: "\(runLength) occupied slots in a row",
                    expected: "at most \(maximumRunLength): the entries are chosen to collide",
                    at: "entry \(index)")
            }
            slots[slot] = packed(tag: hash.tag, index: index)
        }
        return slots
    }
}
