// SPDX-License-Identifier: Apache-2.0
// How many cells a terminal uses for a text: two for East Asian wide characters and emoji (UAX #11,
// UTS #51), none for combining marks and for our own colour codes.

/// Cells that `text` takes on one line; escape sequences, control characters and line breaks take none.
package func displayWidth(of text: String) -> Int {
    // Most text is ASCII without codes.
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text.utf8.count }
    var width = 0
    var rest = Substring(text)
    while let character = rest.first {
        if character == "\u{1B}" {
            rest = rest.dropEscapeSequence()
        } else {
            width += displayWidth(of: character)
            rest.removeFirst()
        }
    }
    return width
}

/// Cells that one character takes: 0, 1 or 2.
package func displayWidth(of character: Character) -> Int {
    let scalars = character.unicodeScalars
    // A symbol followed by this selector is shown as an emoji.
    if scalars.contains("\u{FE0F}"), scalars.first?.properties.isEmoji == true { return 2 }
    return scalars.reduce(0) { max($0, displayWidth(of: $1)) }
}

private func displayWidth(of scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0: return 0
    case 0x20..<0x300: return scalar == "\u{AD}" ? 0 : 1
    default: break
    }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .control, .lineSeparator, .paragraphSeparator: return 0
    default: break
    }
    if scalar.properties.isEmojiPresentation { return 2 }
    return wideRanges.contains { $0.contains(scalar.value) } ? 2 : 1
}

/// East Asian Width W and F, Unicode 16, without the emoji; unassigned gaps within a block are included.
private let wideRanges: [ClosedRange<UInt32>] = [
    0x1100...0x115F,  // Hangul Jamo, leading consonants
    0x2E80...0x303E,  // CJK radicals, punctuation
    0x3041...0x33FF,  // kana, bopomofo, enclosed and squared forms
    0x3400...0x4DBF, 0x4E00...0x9FFF,  // CJK ideographs
    0xA000...0xA4CF,  // Yi
    0xA960...0xA97C, 0xAC00...0xD7A3,  // Hangul
    0xF900...0xFAFF,  // CJK compatibility ideographs
    0xFE10...0xFE19, 0xFE30...0xFE6F,  // vertical and small forms
    0xFF01...0xFF60, 0xFFE0...0xFFE6,  // full-width forms
    0x16FE0...0x18DFF, 0x1AFF0...0x1B2FB,  // Tangut, Khitan, kana extensions
    0x1F200...0x1F265,  // enclosed ideographs
    0x20000...0x2FFFD, 0x30000...0x3FFFD,  // CJK extensions
]

extension Substring {
    /// What follows the escape sequence at the start (ECMA-48: CSI, OSC, or two characters).
    func dropEscapeSequence() -> Substring {
        let rest = dropFirst()
        switch rest.first {
        case "[":
            let end = rest.dropFirst().firstIndex { ("@"..."~").contains($0) }
            return end.map { rest[rest.index(after: $0)...] } ?? rest.suffix(0)
        case "]":
            let end = rest.firstIndex { $0 == "\u{07}" || $0 == "\u{1B}" }
            guard let end else { return rest.suffix(0) }
            let tail = rest[end...].dropFirst()
            return rest[end] == "\u{1B}" && tail.first == "\\" ? tail.dropFirst() : tail
        default:
            return rest.dropFirst()
        }
    }
}
