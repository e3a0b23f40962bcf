// SPDX-License-Identifier: Apache-2.0
// The normalizers of a `tokenizer.json`, applied in order to the text between two added tokens.

/// A text between normalizer steps.
struct NormalizedText {
    var bytes: [UInt8]
    /// Whether the first character is, or derives from, the first one of the whole text.
    var beginsText: Bool

    /// Applies one step.
    mutating func apply(_ step: NormalizerStep) {
        switch step {
        case .nfc: normalize(NormalizationForm(isComposed: true, isCompatible: false))
        case .nfd: normalize(NormalizationForm(isComposed: false, isCompatible: false))
        case .nfkc: normalize(NormalizationForm(isComposed: true, isCompatible: true))
        case .nfkd: normalize(NormalizationForm(isComposed: false, isCompatible: true))
        case .lowercase: lowercase()
        case .stripAccents: keep { UnicodeTables.marks[$0] == 0 }
        case .strip(let left, let right): strip(left: left, right: right)
        case .replace(let text, let other): replace(Array(text.utf8), by: Array(other.utf8))
        case .prepend(let text):
            if !bytes.isEmpty { bytes.insert(contentsOf: text.utf8, at: 0) }
        }
    }

    private mutating func normalize(_ form: NormalizationForm) {
        if let normalized = form.normalized(bytes.span) { bytes = normalized }
    }

    /// Only for characters up to Unicode 15.1, as in `CharacterClass`.
    private mutating func lowercase() {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            let character = UTF8Character(bytes.span, at: position)
            if character.value < 0x80 {
                let isUpper = character.value &- 0x41 < 26
                output.append(UInt8(truncatingIfNeeded: character.value) | (isUpper ? 0x20 : 0))
            } else if let properties = Unicode.Scalar(character.value)?.properties,
                let age = properties.age, age <= (15, 1)
            {
                output.append(contentsOf: properties.lowercaseMapping.utf8)
            } else {
                output.append(contentsOf: bytes[position..<position + character.byteCount])
            }
            position += character.byteCount
        }
        bytes = output
    }

    /// Keeps only some characters.
    private mutating func keep(_ isKept: (UInt32) -> Bool) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            let character = UTF8Character(bytes.span, at: position)
            if isKept(character.value) {
                output.append(contentsOf: bytes[position..<position + character.byteCount])
            } else if position == 0 {
                beginsText = false
            }
            position += character.byteCount
        }
        bytes = output
    }

    private mutating func strip(left: Bool, right: Bool) {
        let end = right ? whitespaceStart(bytes.span, from: 0, to: bytes.count) : bytes.count
        let start = left ? runEnd(bytes.span, from: 0, to: end, of: .whitespace) : 0
        if start > 0 { beginsText = false }
        bytes = Array(bytes[start..<end])
    }

    private mutating func replace(_ text: [UInt8], by other: [UInt8]) {
        let matches = TextSearch(text).matches(in: bytes.span, 0..<bytes.count)
        guard let first = matches.first else { return }
        // The replacement of several characters counts as derived from the last of them.
        let isOne = text.count { $0 & 0xC0 != 0x80 } == 1
        if first.lowerBound == 0 && (other.isEmpty || !isOne) { beginsText = false }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + matches.count * max(0, other.count - text.count))
        var position = 0
        for match in matches {
            output.append(contentsOf: bytes[position..<match.lowerBound])
            output.append(contentsOf: other)
            position = match.upperBound
        }
        output.append(contentsOf: bytes[position...])
        bytes = output
    }
}

/// The start of the white space that ends at `end`.
func whitespaceStart(_ text: Span<UInt8>, from start: Int, to end: Int) -> Int {
    var position = end
    while position > start {
        var previous = position - 1
        while previous > start && text[previous] & 0xC0 == 0x80 { previous -= 1 }
        guard UTF8Character(text, at: previous).characterClass.contains(.whitespace) else { break }
        position = previous
    }
    return position
}

/// Substring search in linear time (Knuth, Morris and Pratt).
struct TextSearch {
    private let needle: [UInt8]
    /// For each prefix length: the length of the longest proper prefix that is also a suffix.
    private let borders: [Int]

    /// - Precondition: `needle` is not empty.
    init(_ needle: [UInt8]) {
        self.needle = needle
        var borders = [0, 0]
        var border = 0
        for index in needle.indices.dropFirst() {
            while border > 0 && needle[border] != needle[index] { border = borders[border] }
            if needle[border] == needle[index] { border += 1 }
            borders.append(border)
        }
        self.borders = borders
    }

    /// The occurrences within a range, from the left, without overlaps.
    func matches(in text: Span<UInt8>, _ range: Range<Int>) -> [Range<Int>] {
        var matches: [Range<Int>] = []
        var count = 0
        for position in range {
            while count > 0 && needle[count] != text[position] { count = borders[count] }
            if needle[count] == text[position] { count += 1 }
            if count == needle.count {
                matches.append(position + 1 - count..<position + 1)
                count = 0
            }
        }
        return matches
    }
}
