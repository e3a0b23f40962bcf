// SPDX-License-Identifier: Apache-2.0
// Strings and numbers, the two tokens that take work. Both have a fast path for the common case
// (no escapes; few digits) and a complete one for the rest.

// MARK: - Strings

extension JSONParser {
    /// - Precondition: The text has a quotation mark at the position.
    mutating func parseString() throws(JSONError) -> String {
        position += 1
        let start = position
        var bits: UInt8 = 0
        while position < end {
            let byte = text[position]
            if byte == UInt8(ascii: "\"") {
                let string = try makeString(start..<position, isASCII: bits < 0x80)
                position += 1
                return string
            }
            if byte == UInt8(ascii: "\\") { return try parseEscapedString(from: start) }
            guard byte >= 0x20 else { throw failure(expected: "control characters only as escapes") }
            bits |= byte
            position += 1
        }
        throw failure(expected: "'\"' at the end of the string")
    }

    private func makeString(_ range: Range<Int>, isASCII: Bool) throws(JSONError) -> String {
        let bytes = UnsafeRawBufferPointer(rebasing: text[range])
        if isASCII { return String(decoding: bytes, as: UTF8.self) }
        guard let string = String(validating: bytes, as: UTF8.self) else { throw invalidUTF8(in: range) }
        return string
    }

    /// Continues at the first escape of a string that starts at `start`.
    private mutating func parseEscapedString(from start: Int) throws(JSONError) -> String {
        unescaped.removeAll(keepingCapacity: true)
        unescaped.append(contentsOf: text[start..<position])
        while position < end {
            let byte = text[position]
            if byte == UInt8(ascii: "\"") {
                guard let string = String(validating: unescaped, as: UTF8.self) else {
                    throw invalidUTF8(in: start..<position)
                }
                position += 1
                return string
            }
            if byte == UInt8(ascii: "\\") {
                position += 1
                try parseEscape()
                continue
            }
            guard byte >= 0x20 else { throw failure(expected: "control characters only as escapes") }
            unescaped.append(byte)
            position += 1
        }
        throw failure(expected: "'\"' at the end of the string")
    }

    /// Reads what follows a backslash.
    private mutating func parseEscape() throws(JSONError) {
        guard position < end else { throw failure(expected: "an escape") }
        switch text[position] {
        case UInt8(ascii: "\""): unescaped.append(UInt8(ascii: "\""))
        case UInt8(ascii: "\\"): unescaped.append(UInt8(ascii: "\\"))
        case UInt8(ascii: "/"): unescaped.append(UInt8(ascii: "/"))
        case UInt8(ascii: "b"): unescaped.append(0x08)
        case UInt8(ascii: "f"): unescaped.append(0x0C)
        case UInt8(ascii: "n"): unescaped.append(0x0A)
        case UInt8(ascii: "r"): unescaped.append(0x0D)
        case UInt8(ascii: "t"): unescaped.append(0x09)
        case UInt8(ascii: "u"):
            let scalar = try parseUnicodeEscape()
            unescaped.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            return
        default: throw failure(expected: "one of \"\\/bfnrtu after a backslash")
        }
        position += 1
    }

    /// Reads `uXXXX`, or a surrogate pair `uD8XX\uDCXX`.
    ///
    /// - Precondition: The text has the first `u` at the position.
    private mutating func parseUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let start = position - 1
        let first = try parseHexDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        if UTF16.isLeadSurrogate(first), position + 1 < end, text[position] == UInt8(ascii: "\\"),
            text[position + 1] == UInt8(ascii: "u")
        {
            position += 1
            let second = try parseHexDigits()
            if UTF16.isTrailSurrogate(second) {
                let value = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
                if let scalar = Unicode.Scalar(value) { return scalar }
            }
        }
        throw failure(
            found: "half of a surrogate pair", expected: "both halves of a surrogate pair", at: start)
    }

    /// Reads `u` and four hexadecimal digits.
    private mutating func parseHexDigits() throws(JSONError) -> UInt16 {
        position += 1
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard position < end else { throw failure(expected: "four hexadecimal digits") }
            let digit: UInt8
            switch text[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = text[position] - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = text[position] - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = text[position] - UInt8(ascii: "A") + 10
            default: throw failure(expected: "four hexadecimal digits")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }

    /// The error for the first byte of a range that does not continue valid UTF-8.
    private func invalidUTF8(in range: Range<Int>) -> JSONError {
        var decoder = UTF8()
        var bytes = text[range].makeIterator()
        var offset = range.lowerBound
        while case .scalarValue(let scalar) = decoder.decode(&bytes) { offset += UTF8.width(scalar) }
        return failure(
            found: JSONError.describe(text, at: offset, end: end), expected: "UTF-8", at: offset)
    }
}

// MARK: - Numbers

extension JSONParser {
    /// Reads a number.
    ///
    /// number = [ "-" ] ( "0" / digit1-9 *digit ) [ "." 1*digit ] [ ( "e" / "E" ) [ "+" / "-" ] 1*digit ]
    ///
    /// - Precondition: The text has a minus sign or a digit at the position.
    mutating func parseNumber() throws(JSONError) -> JSON {
        let start = position
        let isNegative = text[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        var digits = Digits()
        if position < end, text[position] == UInt8(ascii: "0") {
            position += 1
            digits.append(0)
            if position < end, isDigit(text[position]) {
                throw failure(expected: "no digit after a leading 0")
            }
        } else {
            try parseDigits(into: &digits)
        }
        var isInteger = true
        if position < end, text[position] == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            let fraction = position
            try parseDigits(into: &digits)
            digits.exponent -= position - fraction
        }
        if position < end, text[position] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position += 1
            try parseExponent(into: &digits)
        }
        if isInteger, let value = digits.integer(isNegative: isNegative) { return .integer(value) }
        if let value = digits.exactDouble { return .number(isNegative ? -value : value) }
        return .number(try convert(start..<position))
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    private mutating func parseDigits(into digits: inout Digits) throws(JSONError) {
        let start = position
        while position < end, isDigit(text[position]) {
            digits.append(text[position] - UInt8(ascii: "0"))
            position += 1
        }
        guard position > start else { throw failure(expected: "a digit") }
    }

    private mutating func parseExponent(into digits: inout Digits) throws(JSONError) {
        var isNegative = false
        if position < end, text[position] == UInt8(ascii: "-") || text[position] == UInt8(ascii: "+") {
            isNegative = text[position] == UInt8(ascii: "-")
            position += 1
        }
        let start = position
        var value = 0
        while position < end, isDigit(text[position]) {
            // Beyond this limit the exact conversion decides; the cap only prevents overflow.
            if value < 100_000 { value = value * 10 + Int(text[position] - UInt8(ascii: "0")) }
            position += 1
        }
        guard position > start else { throw failure(expected: "a digit") }
        digits.exponent += isNegative ? -value : value
    }

    /// The correctly rounded value of a number that the fast path cannot convert.
    private func convert(_ range: Range<Int>) throws(JSONError) -> Double {
        let literal = String(decoding: UnsafeRawBufferPointer(rebasing: text[range]), as: UTF8.self)
        guard let value = Double(literal), value.isFinite else {
            let shown = literal.utf8.count > 40 ? "\(literal.prefix(40))…" : literal
            throw failure(
                found: "\(shown)", expected: "a number within ±\(Double.greatestFiniteMagnitude)",
                at: range.lowerBound)
        }
        return value
    }
}

/// The digits read so far: value = significand · 10^exponent.
private struct Digits {
    var significand: UInt64 = 0
    var exponent = 0
    /// Whether the significand lost digits.
    var isOverflown = false

    mutating func append(_ digit: UInt8) {
        let (product, overflow) = significand.multipliedReportingOverflow(by: 10)
        let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
        if overflow || carry { isOverflown = true }
        significand = sum
    }

    func integer(isNegative: Bool) -> Int? {
        guard !isOverflown else { return nil }
        if isNegative {
            return significand <= UInt64(Int.max) + 1 ? Int(truncatingIfNeeded: 0 &- significand) : nil
        }
        return Int(exactly: significand)
    }

    /// The value if significand and power of ten are both exact doubles: one operation then
    /// rounds correctly (Clinger 1990).
    var exactDouble: Double? {
        guard !isOverflown, significand <= 1 << 53, abs(exponent) <= 22 else { return nil }
        let power = powersOfTen[abs(exponent)]
        return exponent < 0 ? Double(significand) / power : Double(significand) * power
    }
}

private let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
    1e18, 1e19, 1e20, 1e21, 1e22,
]
