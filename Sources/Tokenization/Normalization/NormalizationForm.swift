// SPDX-License-Identifier: Apache-2.0
// The normalization forms of Unicode (UAX #15): decompose, order the marks, compose. Linear time except for sorting the marks of
// one letter.

/// NFC, NFD, NFKC or NFKD.
struct NormalizationForm: Equatable, Sendable {
    /// Whether characters are composed at the end.
    let isComposed: Bool
    /// Whether compatibility characters (ﬁ, ①, fullwidth letters) decompose too.
    let isCompatible: Bool

    /// Smaller characters are unchanged in every form and are no marks; NFC changes nothing below U+0300.
    private var firstThatChanges: UInt32 { isComposed && !isCompatible ? 0x300 : 0xA0 }

    /// The text in this form, or nil if it is certainly normalized already.
    func normalized(_ text: Span<UInt8>) -> [UInt8]? {
        var position = 0
        while position < text.count, text[position] < 0x80 { position += 1 }
        guard let start = firstChange(in: text, from: position) else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(text.count + text.count / 8)
        for index in 0..<start { output.append(text[index]) }
        var block = Block(form: self)
        var next = start
        while next < text.count {
            let character = UTF8Character(text, at: next)
            next += character.byteCount
            block.append(character.value, to: &output)
        }
        block.flush(to: &output)
        return output
    }

    /// The start of the letter before the first character that may change, or nil.
    private func firstChange(in text: Span<UInt8>, from start: Int) -> Int? {
        var position = start
        // One character earlier, because a mark composes with a preceding ASCII letter.
        var last = max(start - 1, 0)
        while position < text.count {
            let character = UTF8Character(text, at: position)
            if character.value >= firstThatChanges { return last }
            last = position
            position += character.byteCount
        }
        return nil
    }
}

/// A character of class 0 and its marks: the unit of ordering and composition.
private struct Block {
    private let form: NormalizationForm
    private var characters: [(value: UInt32, combiningClass: UInt8)] = []
    private var isSorted = true
    /// Whether composition is complete: a second pass could join characters that a mark in between separates.
    private var isSettled = false

    init(form: NormalizationForm) { self.form = form }

    /// Adds the decomposition of a character.
    mutating func append(_ character: UInt32, to output: inout [UInt8]) {
        // Han ideographs neither decompose nor combine.
        if character < 0xA0 || character &- 0x3400 < 0x6C00 { return add(character, 0, to: &output) }
        if character &- Hangul.syllables < Hangul.syllableCount {
            for part in Hangul.parts(of: character) { add(part, 0, to: &output) }
            return
        }
        var parts = UnicodeTables.canonical.parts(of: character)
        if parts.isEmpty && form.isCompatible { parts = UnicodeTables.compatibility.parts(of: character) }
        if parts.isEmpty { return add(character, UnicodeTables.classes[character], to: &output) }
        for part in parts { append(part, to: &output) }
    }

    private mutating func add(_ character: UInt32, _ combiningClass: UInt8, to output: inout [UInt8]) {
        if combiningClass == 0 {
            // A composed letter may absorb the next one, as in Hangul syllables.
            if form.isComposed, let composed = compositionOfWhole(with: character) {
                characters[0].value = composed
                return
            }
            flush(to: &output)
        } else if let last = characters.last, last.combiningClass > combiningClass {
            isSorted = false
        }
        characters.append((character, combiningClass))
        isSettled = false
    }

    /// The composition of the block, if it is a single character, with a character of class 0.
    private mutating func compositionOfWhole(with character: UInt32) -> UInt32? {
        if characters.count > 1 { compose() }
        guard characters.count == 1, characters[0].combiningClass == 0 else { return nil }
        return Hangul.composition(characters[0].value, character)
            ?? UnicodeTables.composition(characters[0].value, character)
    }

    /// Writes the block and starts another.
    mutating func flush(to output: inout [UInt8]) {
        compose()
        for (character, _) in characters {
            if character < 0x80 {
                output.append(UInt8(truncatingIfNeeded: character))
            } else if let scalar = Unicode.Scalar(character) {
                output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        characters.removeAll(keepingCapacity: true)
    }

    /// Sorts the marks by class (stable), and composes them if the form requires it.
    private mutating func compose() {
        if isSettled { return }
        isSettled = true
        if !isSorted {
            var places = characters.indices.map { ($0, characters[$0].combiningClass) }
            let first = places.first?.1 == 0 ? 1 : 0
            places[first...].sort { ($0.1, $0.0) < ($1.1, $1.0) }
            characters = places.map { characters[$0.0] }
            isSorted = true
        }
        guard form.isComposed, characters.count > 1, characters[0].combiningClass == 0 else { return }
        var kept = 1
        var lastClass: UInt8 = 0
        for index in 1..<characters.count {
            let (mark, combiningClass) = characters[index]
            // A mark is blocked by a mark of the same class that remains between it and the letter.
            if kept == 1 || lastClass < combiningClass,
                let composed = UnicodeTables.composition(characters[0].value, mark)
            {
                characters[0].value = composed
            } else {
                characters[kept] = (mark, combiningClass)
                kept += 1
                lastClass = combiningClass
            }
        }
        characters.removeSubrange(kept...)
    }
}

/// Hangul syllables, which decompose arithmetically (Unicode 3.12).
private enum Hangul {
    static let syllables: UInt32 = 0xAC00
    static let syllableCount: UInt32 = 11172
    private static let (lead, vowel, tail): (UInt32, UInt32, UInt32) = (0x1100, 0x1161, 0x11A7)

    static func parts(of syllable: UInt32) -> [UInt32] {
        let index = syllable - syllables
        let parts = [lead + index / 588, vowel + index % 588 / 28]
        return index % 28 == 0 ? parts : parts + [tail + index % 28]
    }

    /// Composes a leading consonant with a vowel, or a syllable without a tail with one.
    static func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first &- lead < 19 && second &- vowel < 21 {
            return syllables + ((first - lead) * 21 + second - vowel) * 28
        }
        if first &- syllables < syllableCount && (first - syllables) % 28 == 0 && second &- tail &- 1 < 27 {
            return first + second - tail
        }
        return nil
    }
}
