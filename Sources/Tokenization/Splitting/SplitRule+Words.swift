// SPDX-License-Identifier: Apache-2.0
// The expressions of GPT-2, Llama 3 / Qwen 2 and Mistral NeMo, with the alternatives in order of precedence.

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
func gpt2PieceEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int {
    var position = start
    if text[start] == 0x27,
        let end = contractionEnd(text, from: start, to: limit, ignoringCase: false)
    {
        return end
    }
    if text[start] == 0x20 && start + 1 < limit { position += 1 }
    let classes = UTF8Character(text, at: position).characterClass
    if classes.contains(.letter) { return runEnd(text, from: position, to: limit, of: .letter) }
    if classes.contains(.number) { return runEnd(text, from: position, to: limit, of: .number) }
    if !classes.contains(.whitespace) {
        return runEnd(text, from: position, to: limit, without: .wordOrSpace)
    }
    return whitespaceEnd(text, from: start, to: limit, lineBreaks: false)
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
func wordPieceEnd(_ text: Span<UInt8>, from start: Int, to limit: Int, digitCount: Int) -> Int {
    let first = UTF8Character(text, at: start)
    if first.value == 0x27, let end = contractionEnd(text, from: start, to: limit, ignoringCase: true) {
        return end
    }
    let classes = first.characterClass
    if classes.contains(.number) { return digitsEnd(text, from: start, to: limit, count: digitCount) }
    let second = start + first.byteCount
    if classes.contains(.letter) { return runEnd(text, from: second, to: limit, of: .letter) }
    if first.value != 0x0A && first.value != 0x0D {
        let end = runEnd(text, from: second, to: limit, of: .letter)
        if end > second { return end }
    }
    let position = first.value == 0x20 && second < limit ? second : start
    if UTF8Character(text, at: position).characterClass.isDisjoint(with: .wordOrSpace) {
        let end = runEnd(text, from: position, to: limit, without: .wordOrSpace)
        return lineBreakEnd(text, from: end, to: limit)
    }
    return whitespaceEnd(text, from: start, to: limit, lineBreaks: true)
}

/// `[^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
/// with `U` = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and `W` = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`.
func casedPieceEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int {
    let first = UTF8Character(text, at: start)
    let classes = first.characterClass
    let second = start + first.byteCount
    if classes.contains(.number) { return second }
    let takesAnyFirst = first.value != 0x0A && first.value != 0x0D && !classes.contains(.letter)
    // A mark can be the arbitrary leading character or part of the word: both are tried.
    let wordStarts = takesAnyFirst ? [second, start] : [start]
    for wordStart in wordStarts {
        if let end = casedWordEnd(text, from: wordStart, to: limit) { return end }
    }
    for wordStart in wordStarts {
        let end = runEnd(text, from: wordStart, to: limit, of: .upperLike)
        if end > wordStart { return end }
    }
    let position = first.value == 0x20 && second < limit ? second : start
    if UTF8Character(text, at: position).characterClass.isDisjoint(with: .wordOrSpace) {
        let end = runEnd(text, from: position, to: limit, without: .wordOrSpace)
        return lineBreakEnd(text, from: end, to: limit, slashes: true)
    }
    return whitespaceEnd(text, from: start, to: limit, lineBreaks: true)
}

/// `U*W+` with the backtracking of a regular expression; nil if it does not match.
private func casedWordEnd(_ text: Span<UInt8>, from start: Int, to limit: Int) -> Int? {
    var position = start
    var lastUncasedEnd: Int?
    while position < limit {
        let character = UTF8Character(text, at: position)
        let classes = character.characterClass
        guard classes.contains(.upperLike) else { break }
        position += character.byteCount
        if classes.contains(.lowerLike) { lastUncasedEnd = position }
    }
    let end = runEnd(text, from: position, to: limit, of: .lowerLike)
    // No lower case follows: backtracks to the last character that may end a word.
    return end > position ? end : lastUncasedEnd
}

/// `'s|'t|'re|'ve|'m|'ll|'d`, ASCII letters in any case if requested; nil if it does not match.
private func contractionEnd(
    _ text: Span<UInt8>, from start: Int, to limit: Int, ignoringCase: Bool
) -> Int? {
    guard start + 1 < limit else { return nil }
    let caseBit: UInt8 = ignoringCase ? 0x20 : 0
    let first = text[start + 1] | caseBit
    // Only letters have a lower case; this bit may also change other bytes into letters, so the range is checked too.
    guard isLetter(text[start + 1]) else { return nil }
    switch first {
    case 0x73, 0x74, 0x6D, 0x64: return start + 2
    case 0x72, 0x76, 0x6C:
        guard start + 2 < limit, isLetter(text[start + 2]) else { return nil }
        return text[start + 2] | caseBit == (first == 0x6C ? 0x6C : 0x65) ? start + 3 : nil
    default: return nil
    }
}

@inline(__always)
private func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }

/// `\p{N}{1,count}`.
func digitsEnd(_ text: Span<UInt8>, from start: Int, to limit: Int, count: Int) -> Int {
    var position = start
    for _ in 0..<count {
        guard position < limit else { break }
        let character = UTF8Character(text, at: position)
        guard character.characterClass.contains(.number) else { break }
        position += character.byteCount
    }
    return position
}
