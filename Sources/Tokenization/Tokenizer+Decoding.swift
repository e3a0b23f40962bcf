// SPDX-License-Identifier: Apache-2.0
// Tokens to text: all at once, or token by token as they are generated.

extension Tokenizer {
    /// The bytes of tokens, which need not be whole characters.
    ///
    /// The space that encoding prepends to a text is removed.
    ///
    /// - Parameter skipSpecial: omits control and unknown tokens. Ids outside the vocabulary have no bytes.
    package func decode(_ ids: [Int32], skipSpecial: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * ids.count)
        var begin = TextBegin(self)
        for id in ids { append(id, to: &bytes, skipSpecial: skipSpecial, &begin) }
        return bytes
    }

    /// The text of tokens, with U+FFFD for invalid UTF-8.
    package func decodeText(_ ids: [Int32], skipSpecial: Bool) -> String {
        String(decoding: decode(ids, skipSpecial: skipSpecial), as: UTF8.self)
    }

    /// Appends a token's bytes, except for those removed at the start of the text.
    func append(_ id: Int32, to bytes: inout [UInt8], skipSpecial: Bool, _ begin: inout TextBegin) {
        guard tables.isToken(id), !(skipSpecial && isSpecial(id)) else { return }
        let start = bytes.count
        if let decoder = rules?.decoder {
            let drops = begin.isFirstToken && decoder.dropsFirstMarks
            begin.isFirstToken = false
            appendText(of: id, to: &bytes, dropsMarks: drops)
            while begin.spaceCount > 0 && start < bytes.count {
                begin.spaceCount = bytes[start] == 0x20 ? begin.spaceCount - 1 : 0
                guard bytes[start] == 0x20 else { break }
                bytes.remove(at: start)
            }
            return
        }
        tables.appendText(of: id, to: &bytes)
        // The first text token loses its leading space.
        if begin.spaceCount > 0 && start < bytes.count && !isSpecial(id) {
            begin.spaceCount = 0
            if bytes[start] == 0x20 && tables.type(of: id) != .userDefined { bytes.remove(at: start) }
        }
    }

    /// Appends the bytes of a token: with rules, a mark becomes a space, or is removed if `dropsMarks` is true.
    ///
    /// - Precondition: `id` is a token.
    func appendText(of id: Int32, to bytes: inout [UInt8], dropsMarks: Bool = false) {
        let start = bytes.count
        tables.appendText(of: id, to: &bytes)
        guard let decoder = rules?.decoder else { return }
        if tables.type(of: id) == .byte {
            if decoder.writesBytes { bytes.replaceSubrange(start..., with: Self.written(bytes[start...])) }
            return
        }
        guard let mark = decoder.mark else { return }
        let marks = TextSearch(Array(String(mark).utf8)).matches(in: bytes.span, start..<bytes.count)
        for range in marks.reversed() { bytes.replaceSubrange(range, with: dropsMarks ? [] : [0x20]) }
    }
}

extension Tokenizer {
    /// `<0xHH>` for each byte.
    private static func written(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        bytes.flatMap { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return Array("<0x\(digits.count < 2 ? "0" : "")\(digits)>".utf8)
        }
    }
}

/// Characters still to be removed at the start of a text.
struct TextBegin: Sendable {
    /// The maximum number of spaces.
    var spaceCount: Int
    var isFirstToken = true

    init(_ tokenizer: Tokenizer) {
        let prefixes = tokenizer.tables.layout.flags.contains(.addsSpacePrefix)
        spaceCount = tokenizer.rules?.decoder.strippedSpaceCount ?? (prefixes ? 1 : 0)
    }

    /// Removes nothing: the tokens continue a text.
    static func none(_ tokenizer: Tokenizer) -> TextBegin {
        var begin = TextBegin(tokenizer)
        begin.spaceCount = 0
        begin.isFirstToken = false
        return begin
    }
}

/// Decodes a stream of tokens into text that is valid at every step: a character whose bytes span several tokens appears when it
/// is complete.
package struct TokenDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecial: Bool
    private var begin: TextBegin
    /// The start of an incomplete character: at most three bytes.
    private var pending: [UInt8] = []

    /// - Parameters:
    ///   - skipSpecial: omits control and unknown tokens.
    ///   - atStart: whether the tokens start a text, so that the space that encoding would prepend is removed.
    package init(_ tokenizer: Tokenizer, skipSpecial: Bool = true, atStart: Bool = true) {
        self.tokenizer = tokenizer
        self.skipSpecial = skipSpecial
        begin = atStart ? TextBegin(tokenizer) : .none(tokenizer)
    }

    /// The text that a token completes: empty while a character is incomplete.
    package mutating func append(_ id: Int32) -> String {
        tokenizer.append(id, to: &pending, skipSpecial: skipSpecial, &begin)
        let held = Self.incompleteSuffixCount(pending)
        let text = String(decoding: pending[..<(pending.count - held)], as: UTF8.self)
        pending.removeFirst(pending.count - held)
        return text
    }

    /// Whether a character is incomplete.
    package var holdsBytes: Bool { !pending.isEmpty }

    /// The rest of the text when no token follows: U+FFFD for an incomplete character, otherwise nothing.
    package mutating func finish() -> String {
        defer { pending.removeAll() }
        return String(decoding: pending, as: UTF8.self)
    }

    /// Number of bytes at the end that may still become a character (Unicode 16.0, table 3-7).
    private static func incompleteSuffixCount(_ bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let lead = bytes[bytes.count - count]
            if lead & 0xC0 == 0x80 { continue }
            let length =
                switch lead {
                case 0xC2...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xF4: 4
                default: 1
                }
            guard length > count else { return 0 }
            guard count > 1 else { return 1 }
            let second = bytes[bytes.count - count + 1]
            let range: ClosedRange<UInt8> =
                switch lead {
                case 0xE0: 0xA0...0xBF
                case 0xED: 0x80...0x9F
                case 0xF0: 0x90...0xBF
                case 0xF4: 0x80...0x8F
                default: 0x80...0xBF
                }
            return range.contains(second) ? count : 0
        }
        return 0
    }
}
