// SPDX-License-Identifier: Apache-2.0
// Runs of one kind of character, the building blocks of the pre-tokenizers' expressions.

/// The end of the longest run of characters with one of the classes.
@inline(__always)
func runEnd(_ text: Span<UInt8>, from start: Int, to limit: Int, of classes: CharacterClass) -> Int {
    var position = start
    while position < limit {
        let character = UTF8Character(text, at: position)
        if character.characterClass.isDisjoint(with: classes) { break }
        position += character.byteCount
    }
    return position
}

/// The end of the longest run of characters with none of the classes.
@inline(__always)
func runEnd(_ text: Span<UInt8>, from start: Int, to limit: Int, without classes: CharacterClass) -> Int {
    var position = start
    while position < limit {
        let character = UTF8Character(text, at: position)
        if !character.characterClass.isDisjoint(with: classes) { break }
        position += character.byteCount
    }
    return position
}

/// `[\r\n]*`, or `[\r\n/]*` when slashes count.
@inline(__always)
func lineBreakEnd(_ text: Span<UInt8>, from start: Int, to limit: Int, slashes: Bool = false) -> Int {
    var position = start
    while position < limit {
        let byte = text[position]
        guard byte == 0x0A || byte == 0x0D || (slashes && byte == 0x2F) else { break }
        position += 1
    }
    return position
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+`, the first branch only when line breaks count.
///
/// The second branch leaves the last whitespace character to the following word. Every run is read at most twice, because the
/// rest after the first branch has no line break.
func whitespaceEnd(_ text: Span<UInt8>, from start: Int, to limit: Int, lineBreaks: Bool) -> Int {
    var position = start
    var last = start
    var afterLineBreak = start
    while position < limit {
        let character = UTF8Character(text, at: position)
        guard character.characterClass.contains(.whitespace) else { break }
        last = position
        position += character.byteCount
        if character.value == 0x0A || character.value == 0x0D { afterLineBreak = position }
    }
    if lineBreaks && afterLineBreak > start { return afterLineBreak }
    return position < limit && last > start ? last : position
}

/// `\s?X+` for a class X; nil where it does not match.
func spacedRunEnd(_ text: Span<UInt8>, from start: Int, to limit: Int, of classes: CharacterClass) -> Int? {
    let first = UTF8Character(text, at: start)
    let runStart = first.characterClass.contains(.whitespace) ? start + first.byteCount : start
    let end = runEnd(text, from: runStart, to: limit, of: classes)
    return end > runStart ? end : nil
}

/// `[\p{P}\$\+<=>\^~\|]+`.
func punctuationRunEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int {
    var position = start
    while position < limit {
        let character = UTF8Character(text, at: position)
        let classes = character.characterClass
        // The expression covers all ASCII symbols except the grave accent.
        let isNamedSymbol = classes.contains(.symbol) && character.value < 0x80 && character.value != 0x60
        guard classes.contains(.punctuation) || isNamedSymbol else { break }
        position += character.byteCount
    }
    return position
}

/// `[一-龥ࠀ-一가-퟿]+`, with the bounds of DeepSeek-Coder's expression.
func eastAsianRunEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int {
    var position = start
    while position < limit {
        let character = UTF8Character(text, at: position)
        switch character.value {
        case 0x0800...0x9FA5, 0xAC00...0xD7FF: position += character.byteCount
        default: return position
        }
    }
    return position
}

/// `\w+|[^\w\s]+`
func wordOrOtherEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int {
    let isWord = UTF8Character(text, at: start).isWordCharacter
    var position = start
    while position < limit {
        let character = UTF8Character(text, at: position)
        if character.isWordCharacter != isWord || character.characterClass.contains(.whitespace) { break }
        position += character.byteCount
    }
    return position
}
