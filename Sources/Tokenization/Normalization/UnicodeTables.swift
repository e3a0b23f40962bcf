// SPDX-License-Identifier: Apache-2.0
// The character properties that normalizers use, from the Unicode versions in the library `tokenizers`. The standard library's
// tables are newer, vary between releases, and lack compatibility decompositions.

/// Unicode tables, unpacked on first use.
struct UnicodeTables {
    /// Canonical decompositions of one level.
    static let canonical = DecompositionTable(canonicalText)
    /// Compatibility decompositions of one level.
    static let compatibility = DecompositionTable(compatibilityText)
    /// Combining classes other than 0.
    static let classes = RangeTable(classText, hasValues: true)
    /// Marks: nonspacing, spacing and enclosing.
    static let marks = RangeTable(markText, hasValues: false)
    /// Punctuation, and ASCII symbols.
    static let punctuation = RangeTable(punctuationText, hasValues: false)

    /// Compositions of two characters: keys are first · 2^32 + second, ascending.
    static let compositions: (keys: [UInt64], values: [UInt32]) = {
        var pairs: [(key: UInt64, value: UInt32)] = []
        for index in canonical.keys.indices where !canonical.isExcluded[index] {
            let parts = canonical.parts(at: index)
            guard parts.count == 2, let first = parts.first, let last = parts.last else { continue }
            pairs.append((UInt64(first) << 32 | UInt64(last), canonical.keys[index]))
        }
        pairs.sort { $0.key < $1.key }
        return (pairs.map(\.key), pairs.map(\.value))
    }()

    /// The composition of two characters, or nil.
    static func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        let key = UInt64(first) << 32 | UInt64(second)
        let index = compositions.keys.lowerBound(of: key)
        guard index < compositions.keys.count, compositions.keys[index] == key else { return nil }
        return compositions.values[index]
    }
}

/// Numbers as text: base-28 digits, most significant first. The symbols from `#` on end a number, the 28 symbols after them do
/// not; line breaks are ignored.
struct NumberStream {
    private var iterator: Substring.UTF8View.Iterator

    init(_ text: String) { iterator = text[...].utf8.makeIterator() }

    /// The next number, or nil at the end.
    mutating func next() -> Int? {
        var value = 0
        while let byte = iterator.next() {
            guard byte >= 0x23 else { continue }
            let symbol = Int(byte) - 0x23
            if symbol < 28 { return value * 28 + symbol }
            value = value * 28 + symbol - 28
        }
        return nil
    }

    /// A difference: even numbers encode its double, odd ones −1 minus its double.
    mutating func nextDifference() -> Int? { next().map { $0 % 2 == 0 ? $0 / 2 : -($0 + 1) / 2 } }
}

/// Decompositions in ascending order of the characters.
struct DecompositionTable {
    private(set) var keys: [UInt32] = []
    /// Whether composition never produces the character.
    private(set) var isExcluded: [Bool] = []
    private var starts: [Int32] = [0]
    private var values: [UInt32] = []

    init(_ text: String) {
        var numbers = NumberStream(text)
        var key = 0
        var base = 0
        while let distance = numbers.next(), let code = numbers.next() {
            key += distance
            var previous = base
            for part in 0...code / 2 {
                previous += numbers.nextDifference() ?? 0
                if part == 0 { base = previous }
                values.append(UInt32(truncatingIfNeeded: previous))
            }
            keys.append(UInt32(truncatingIfNeeded: key))
            isExcluded.append(code % 2 == 1)
            starts.append(Int32(values.count))
        }
    }

    func parts(at index: Int) -> ArraySlice<UInt32> { values[Int(starts[index])..<Int(starts[index + 1])] }

    /// The parts of a character; none if it has no decomposition.
    func parts(of character: UInt32) -> ArraySlice<UInt32> {
        let index = keys.lowerBound(of: character)
        return index < keys.count && keys[index] == character ? parts(at: index) : []
    }
}

/// A number for each character in some ranges.
struct RangeTable {
    private var starts: [UInt32] = []
    private var ends: [UInt32] = []
    private var values: [UInt8] = []

    /// - Parameter hasValues: whether each range has a number; otherwise it is 1.
    init(_ text: String, hasValues: Bool) {
        var numbers = NumberStream(text)
        var end = 0
        while let distance = numbers.next(), let more = numbers.next() {
            starts.append(UInt32(truncatingIfNeeded: end + distance))
            end += distance + more + 1
            ends.append(UInt32(truncatingIfNeeded: end))
            values.append(hasValues ? UInt8(truncatingIfNeeded: numbers.next() ?? 0) : 1)
        }
    }

    /// The number of a character, 0 outside of the ranges.
    subscript(character: UInt32) -> UInt8 {
        let index = ends.lowerBound(of: character + 1)
        return index < starts.count && starts[index] <= character ? values[index] : 0
    }
}

extension Array where Element: Comparable {
    /// The first index whose element is at least `value`, in an ascending array.
    func lowerBound(of value: Element) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
