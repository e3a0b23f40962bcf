// SPDX-License-Identifier: Apache-2.0
// The tokens inside tags: names, numbers, strings with Python's escapes, operators.

private let pairs: Set<String> = ["==", "!=", "<=", ">=", "//", "**"]
private let singles = Set("+-/*%~[](){}<>=.:|,;".unicodeScalars)

extension Lexer {
    /// Reads tokens up to the end of a tag: `%}` or `}}`, with or without a sign.
    mutating func readExpressionTokens(
        closing: Unicode.Scalar, _ closingKind: Token.Kind
    ) throws(TemplateError) {
        let start = position
        // Inside brackets `}}` closes two mappings, not the tag.
        var brackets: [Unicode.Scalar] = []
        while true {
            position = skippingSpace(position)
            guard position < source.count else {
                throw TemplateError(
                    .syntax, "found the end of the template, expected '\(closing)}'", position: start)
            }
            if brackets.isEmpty, readEnd(closing, closingKind) { return }
            let scalar = source[position]
            if scalar == "\"" || scalar == "'" {
                try readString()
            } else if scalar.isDigit {
                try readNumber()
            } else if scalar.isWordPart {
                try readName()
            } else {
                try readSymbol(&brackets)
            }
        }
    }

    private mutating func readEnd(_ closing: Unicode.Scalar, _ kind: Token.Kind) -> Bool {
        var index = position
        var sign: Unicode.Scalar?
        if source[index] == "-" || (source[index] == "+" && closing == "%") {
            sign = source[index]
            index += 1
        }
        guard index + 1 < source.count, source[index] == closing, source[index + 1] == "}" else {
            return false
        }
        append(kind, at: position)
        position = afterTag(index + 2, sign: sign, trimsNewline: closing == "%")
        return true
    }

    private mutating func readName() throws(TemplateError) {
        let start = position
        while position < source.count, source[position].isWordPart { position += 1 }
        // Looking up a name reads all of it.
        guard position - start <= TemplateLimits.nameLength else {
            throw TemplateError(
                .limit,
                "a name of \(position - start) characters, expected at most \(TemplateLimits.nameLength)",
                position: start)
        }
        append(.name(text(start..<position)), at: start)
    }

    private mutating func readSymbol(_ brackets: inout [Unicode.Scalar]) throws(TemplateError) {
        let start = position
        let scalar = source[start]
        if start + 1 < source.count {
            let pair = text(start..<start + 2)
            if pairs.contains(pair) {
                position += 2
                return append(.symbol(pair), at: start)
            }
        }
        guard singles.contains(scalar) else {
            throw TemplateError(.syntax, "found '\(scalar)', expected an expression", position: start)
        }
        switch scalar {
        case "(": brackets.append(")")
        case "[": brackets.append("]")
        case "{": brackets.append("}")
        case ")", "]", "}":
            guard let open = brackets.popLast() else {
                throw TemplateError(.syntax, "found '\(scalar)' without its opening bracket", position: start)
            }
            guard open == scalar else {
                throw TemplateError(.syntax, "found '\(scalar)', expected '\(open)'", position: start)
            }
        default: break
        }
        position += 1
        append(.symbol(String(Character(scalar))), at: start)
    }

    // MARK: - Numbers

    private mutating func readNumber() throws(TemplateError) {
        let start = position
        if source[start] == "0", start + 1 < source.count, let radix = radix(source[start + 1]) {
            position += 2
            let digits = takeDigits(radix: radix)
            guard !digits.isEmpty else {
                throw TemplateError(.syntax, "found a number without digits", position: start)
            }
            return append(.integer(try integer(digits, radix: radix, at: start)), at: start)
        }
        var literal = takeDigits(radix: 10)
        var isFloat = false
        let followsDot = start > 0 && source[start - 1] == "."
        if !followsDot, position + 1 < source.count, source[position] == ".", source[position + 1].isDigit {
            isFloat = true
            position += 1
            literal += "." + takeDigits(radix: 10)
        }
        if !followsDot, let exponent = takeExponent() {
            isFloat = true
            literal += exponent
        }
        if isFloat, let value = Double(literal) {
            append(.float(value), at: start)
        } else {
            append(.integer(try integer(literal, radix: 10, at: start)), at: start)
        }
    }

    private func radix(_ scalar: Unicode.Scalar) -> Int? {
        switch scalar {
        case "x", "X": 16
        case "o", "O": 8
        case "b", "B": 2
        default: nil
        }
    }

    /// The digits from the position on, without the underscores between them.
    private mutating func takeDigits(radix: Int) -> String {
        var digits = ""
        while position < source.count {
            let scalar = source[position]
            if scalar.isASCII, let digit = Character(scalar).hexDigitValue, digit < radix {
                digits.unicodeScalars.append(scalar)
            } else if scalar != "_" {
                break
            }
            position += 1
        }
        return digits
    }

    private mutating func takeExponent() -> String? {
        guard position < source.count, source[position] == "e" || source[position] == "E" else { return nil }
        let hasSign =
            position + 1 < source.count && (source[position + 1] == "-" || source[position + 1] == "+")
        let first = position + (hasSign ? 2 : 1)
        guard first < source.count, source[first].isDigit else { return nil }
        let sign = hasSign ? text(position + 1..<position + 2) : ""
        position = first
        return "e" + sign + takeDigits(radix: 10)
    }

    private func integer(_ digits: String, radix: Int, at start: Int) throws(TemplateError) -> Int {
        guard let value = Int(digits, radix: radix) else {
            throw TemplateError(.syntax, "found \(digits), expected an integer of 64 bits", position: start)
        }
        return value
    }

    // MARK: - Strings

    private mutating func readString() throws(TemplateError) {
        let start = position
        let quote = source[start]
        position += 1
        var view = String.UnicodeScalarView()
        while position < source.count {
            let scalar = source[position]
            position += 1
            if scalar == quote { return append(.string(String(view)), at: start) }
            if scalar == "\\" {
                try readEscape(into: &view)
            } else {
                view.append(scalar)
            }
        }
        throw TemplateError(.syntax, "found the end of the template, expected '\(quote)'", position: start)
    }

    /// Python's escapes; an unknown escape is kept as written.
    private mutating func readEscape(into view: inout String.UnicodeScalarView) throws(TemplateError) {
        guard position < source.count else { return }
        let scalar = source[position]
        position += 1
        switch scalar {
        case "n": view.append("\n")
        case "t": view.append("\t")
        case "r": view.append("\r")
        case "\\", "'", "\"": view.append(scalar)
        case "\n": break
        case "a": view.append("\u{07}")
        case "b": view.append("\u{08}")
        case "f": view.append("\u{0C}")
        case "v": view.append("\u{0B}")
        case "x": try readCode(digits: 2, into: &view)
        case "u": try readCode(digits: 4, into: &view)
        case "U": try readCode(digits: 8, into: &view)
        case "0"..."7":
            var code = scalar.value - 48
            var count = 1
            while count < 3, position < source.count, ("0"..."7").contains(source[position]) {
                code = code * 8 + source[position].value - 48
                position += 1
                count += 1
            }
            if let decoded = Unicode.Scalar(code) { view.append(decoded) }
        default:
            view.append("\\")
            view.append(scalar)
        }
    }

    private mutating func readCode(
        digits: Int, into view: inout String.UnicodeScalarView
    ) throws(TemplateError) {
        let start = position
        var code: UInt32 = 0
        for _ in 0..<digits {
            guard position < source.count, source[position].isASCII,
                let digit = Character(source[position]).hexDigitValue
            else {
                throw TemplateError(.syntax, "expected \(digits) hexadecimal digits", position: start)
            }
            code = code &* 16 &+ UInt32(digit)
            position += 1
        }
        guard let scalar = Unicode.Scalar(code) else {
            throw TemplateError(.syntax, "found an escape that is not a Unicode scalar", position: start)
        }
        view.append(scalar)
    }
}
