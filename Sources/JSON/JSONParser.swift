// SPDX-License-Identifier: Apache-2.0
// Recursive descent over bytes, strict RFC 8259. Every read is preceded by a comparison with the
// end. Depth is limited, so no text can exhaust the stack.

extension JSON {
    /// The treatment of a key that occurs twice in one object.
    package enum DuplicateKeys: Sendable {
        /// The last value wins and takes the position of the first.
        case lastWins
        /// The text is refused.
        case refused
    }

    /// The largest permitted maximum depth.
    package static let depthLimit = 1024

    /// The limit of values per text, over all levels. A value takes some 70 bytes of memory and as few as 2 bytes of text, so a
    /// limit on bytes alone would allow 35 times as much memory. The largest known vocabulary of a tokenizer.json has 2 million.
    package static let valueLimit = 1 << 22

    /// Reads one value; nothing but white space may surround it (a leading byte order mark is skipped).
    ///
    /// - Parameters:
    ///   - bytes: The text in UTF-8.
    ///   - maximumDepth: The maximum nesting of arrays and objects, at most `depthLimit`.
    ///   - maximumCount: The maximum number of values.
    ///   - duplicateKeys: The treatment of a key that occurs twice in one object.
    /// - Returns: The value.
    /// - Throws: A `JSONError` that says what was found, what was expected, and where. Lone surrogates, bytes that are not
    ///   UTF-8 and numbers beyond the range of `Double` are refused.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 128, maximumCount: Int = valueLimit,
        duplicateKeys: DuplicateKeys = .lastWins
    ) throws(JSONError) -> JSON {
        var parser = JSONParser(
            text: bytes, range: 0..<bytes.count, maximumDepth: maximumDepth, maximumCount: maximumCount,
            duplicateKeys: duplicateKeys)
        parser.skipByteOrderMark()
        return try parser.parseText()
    }

    /// Reads one value from an array of bytes; see `parse(_:maximumDepth:maximumCount:duplicateKeys:)`.
    package static func parse(
        _ bytes: [UInt8], maximumDepth: Int = 128, maximumCount: Int = valueLimit,
        duplicateKeys: DuplicateKeys = .lastWins
    ) throws(JSONError) -> JSON {
        try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) -> JSON in
            try parse(
                UnsafeRawBufferPointer(buffer), maximumDepth: maximumDepth, maximumCount: maximumCount,
                duplicateKeys: duplicateKeys)
        }
    }

    /// Reads one value from a string; see `parse(_:maximumDepth:maximumCount:duplicateKeys:)`.
    package static func parse(
        _ text: String, maximumDepth: Int = 128, maximumCount: Int = valueLimit,
        duplicateKeys: DuplicateKeys = .lastWins
    ) throws(JSONError) -> JSON {
        try parse(
            Array(text.utf8), maximumDepth: maximumDepth, maximumCount: maximumCount,
            duplicateKeys: duplicateKeys)
    }
}

/// The state of one pass over a borrowed text.
struct JSONParser {
    /// The whole text, to which positions of errors refer.
    let text: UnsafeRawBufferPointer
    /// The next byte to read.
    var position: Int
    /// The end of the range to read.
    let end: Int
    private let maximumDepth: Int
    private var countLeft: Int
    private let maximumCount: Int
    private let duplicateKeys: JSON.DuplicateKeys
    /// A buffer for strings with escapes, reused between strings.
    var unescaped: [UInt8] = []

    /// - Precondition: `range` is within `text`, and `maximumDepth` is in `1...JSON.depthLimit`.
    init(
        text: UnsafeRawBufferPointer, range: Range<Int>, maximumDepth: Int,
        maximumCount: Int = JSON.valueLimit, duplicateKeys: JSON.DuplicateKeys
    ) {
        precondition(range.lowerBound >= 0 && range.upperBound <= text.count, "JSON: range outside the text")
        precondition(maximumDepth >= 1 && maximumDepth <= JSON.depthLimit, "JSON: depth out of range")
        self.text = text
        position = range.lowerBound
        end = range.upperBound
        self.maximumDepth = maximumDepth
        self.maximumCount = maximumCount
        countLeft = maximumCount
        self.duplicateKeys = duplicateKeys
    }

    mutating func skipByteOrderMark() {
        if end - position >= 3, text[position] == 0xEF, text[position + 1] == 0xBB, text[position + 2] == 0xBF
        {
            position += 3
        }
    }

    /// Reads `JSON-text = ws value ws`.
    mutating func parseText() throws(JSONError) -> JSON {
        let value = try parseValue(depth: 0)
        skipWhiteSpace()
        guard position == end else { throw failure(expected: "nothing after the value") }
        return value
    }

    // MARK: - Grammar

    private mutating func parseValue(depth: Int) throws(JSONError) -> JSON {
        skipWhiteSpace()
        guard position < end else { throw failure(expected: "a value") }
        guard countLeft > 0 else {
            throw failure(
                found: "one more value", expected: "at most \(maximumCount) values", at: position)
        }
        countLeft -= 1
        switch text[position] {
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "{"): return .object(try parseObject(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try parseArray(depth: depth + 1))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: throw failure(expected: "a value")
        }
    }

    private mutating func parseArray(depth: Int) throws(JSONError) -> [JSON] {
        try checkDepth(depth)
        position += 1
        var elements: [JSON] = []
        if skip(UInt8(ascii: "]")) { return elements }
        while true {
            elements.append(try parseValue(depth: depth))
            if skip(UInt8(ascii: ",")) { continue }
            if skip(UInt8(ascii: "]")) { return elements }
            throw failure(expected: "',' or ']'")
        }
    }

    private mutating func parseObject(depth: Int) throws(JSONError) -> JSON.Object {
        try checkDepth(depth)
        position += 1
        var object = JSON.Object()
        if skip(UInt8(ascii: "}")) { return object }
        while true {
            skipWhiteSpace()
            guard position < end, text[position] == UInt8(ascii: "\"") else {
                throw failure(expected: object.isEmpty ? "a key in quotes or '}'" : "a key in quotes")
            }
            let keyPosition = position
            let key = try parseString()
            guard skip(UInt8(ascii: ":")) else { throw failure(expected: "':'") }
            let value = try parseValue(depth: depth)
            if !object.insertIfAbsent(key, value) {
                guard duplicateKeys == .lastWins else {
                    throw failure(found: "\"\(key)\" again", expected: "a new key", at: keyPosition)
                }
                object[key] = value
            }
            if skip(UInt8(ascii: ",")) { continue }
            if skip(UInt8(ascii: "}")) { return object }
            throw failure(expected: "',' or '}'")
        }
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        for offset in 0..<word.utf8CodeUnitCount {
            guard position < end, text[position] == word.utf8Start[offset] else {
                throw failure(expected: "'\(word)'")
            }
            position += 1
        }
        return value
    }

    // MARK: - Steps

    private func checkDepth(_ depth: Int) throws(JSONError) {
        guard depth <= maximumDepth else {
            throw failure(
                found: "level \(depth) of nesting", expected: "at most \(maximumDepth)", at: position)
        }
    }

    private mutating func skipWhiteSpace() {
        while position < end {
            switch text[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// Skips white space and then one byte, if it is the given one.
    private mutating func skip(_ byte: UInt8) -> Bool {
        skipWhiteSpace()
        guard position < end, text[position] == byte else { return false }
        position += 1
        return true
    }

    /// The error for the byte at the current position.
    func failure(expected: String) -> JSONError {
        failure(
            found: JSONError.describe(text, at: position, end: end), expected: expected, at: position)
    }

    func failure(found: String, expected: String, at offset: Int) -> JSONError {
        JSONError(found: found, expected: expected, in: text, at: offset)
    }
}
