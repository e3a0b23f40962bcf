// SPDX-License-Identifier: Apache-2.0
// Formatting: Python's % operator and the simple fields of str.format.

import Glibc

extension Text {
    /// `self % value`: a tuple provides several values, a mapping named ones.
    func formatted(percent value: Value, _ budget: Budget) throws(TemplateError) -> Text {
        var values: [Value] = [value]
        if case .tuple(let elements) = value { values = elements.items }
        try budget.spend(scalars: cost)
        var next = 0
        var result = Text()
        var scanner = ScalarScanner(self)
        while let scalar = scanner.next() {
            guard scalar == "%" else {
                result.append(scalar, from: scanner.source)
                continue
            }
            var name: String?
            if scanner.skip("(") { name = scanner.take { $0 != ")" }; _ = scanner.skip(")") }
            let field = try PercentField(&scanner)
            if field.conversion == "%" {
                result.append("%", from: scanner.source)
                continue
            }
            let argument: Value
            if let name {
                guard case .mapping(let mapping) = value, let found = mapping[name] else {
                    throw .evaluation("found '%(\(name))', expected a mapping with that key")
                }
                argument = found
                next = values.count
            } else {
                guard next < values.count else {
                    throw .evaluation("found more fields than the \(values.count) values to format")
                }
                argument = values[next]
                next += 1
            }
            let text = try field.format(argument, budget)
            try budget.spend(scalars: text.cost)
            result.append(text)
        }
        // Python allows values with subscripts to remain unused.
        switch value {
        case .mapping, .list, .range, .undefined: return result
        default: break
        }
        guard next == values.count else {
            throw .evaluation("found \(values.count) values to format, expected \(next)")
        }
        return result
    }

    /// `self.format(…)` with fields `{}`, `{0}` and `{name}`.
    func formatted(_ arguments: Arguments, _ budget: Budget) throws(TemplateError) -> Text {
        var next = 0
        var result = Text()
        var scanner = ScalarScanner(self)
        while let scalar = scanner.next() {
            if scalar == "}" {
                guard scanner.skip("}") else { throw .evaluation("found a single '}' in a format") }
                result.append("}", from: scanner.source)
                continue
            }
            guard scalar == "{", !scanner.skip("{") else {
                result.append(scalar, from: scanner.source)
                continue
            }
            let name = scanner.take { $0 != "}" }
            guard scanner.skip("}") else { throw .evaluation("found '{' without '}' in a format") }
            let value: Value
            if name.isEmpty || name.unicodeScalars.allSatisfy(\.isDigit) {
                let index = name.isEmpty ? next : Int(name) ?? .max
                next += 1
                guard index < arguments.positional.count else {
                    throw .evaluation(
                        "found field \(index) in a format of \(arguments.positional.count) values")
                }
                value = arguments.positional[index]
            } else {
                try budget.spend(arguments.named.count)
                guard let found = arguments.named.first(where: { $0.name.string == name })?.value else {
                    throw .evaluation(
                        "found the field '{\(name)}', expected '{}', '{0}' or the name of a value")
                }
                value = found
            }
            let text = try value.printed(budget)
            try budget.spend(scalars: text.cost)
            result.append(text)
        }
        return result
    }
}

/// One field: `%[flags][width][.precision]conversion`.
private struct PercentField {
    var isLeft = false
    var padsWithZeros = false
    var sign = ""
    var width = 0
    var precision: Int?
    let conversion: Unicode.Scalar

    init(_ scanner: inout ScalarScanner) throws(TemplateError) {
        flags: while let flag = scanner.peek {
            switch flag {
            case "-": isLeft = true
            case "0": padsWithZeros = true
            case "+", " ": sign = String(Character(flag))
            case "#": break
            default: break flags
            }
            _ = scanner.next()
        }
        width = try Self.number(&scanner)
        if scanner.skip(".") { precision = try Self.number(&scanner) }
        guard let conversion = scanner.next() else {
            throw .evaluation("found the end of a format, expected a conversion after '%'")
        }
        self.conversion = conversion
    }

    private static func number(_ scanner: inout ScalarScanner) throws(TemplateError) -> Int {
        let digits = scanner.take { $0.isDigit }
        guard let value = Int(digits.isEmpty ? "0" : digits), value <= 1000 else {
            throw .limit("a field of \(digits) characters, expected at most 1000")
        }
        return value
    }

    func format(_ value: Value, _ budget: Budget) throws(TemplateError) -> Text {
        switch conversion {
        case "s", "r":
            var text = try conversion == "s" ? value.printed(budget) : value.represented(budget)
            if let precision {
                let part = text.string.unicodeScalars.prefix(precision)
                text = text[0..<part.reduce(0) { $0 + UTF8.width($1) }]
            }
            return padded(text, isNumber: false)
        case "d", "i", "u", "x", "X", "o":
            guard let number = value.number, let integer = Int(exactly: number.rounded(.towardZero)) else {
                throw .evaluation("found a \(value.typeName) for '%\(conversion)', expected a number")
            }
            let exact = value.integer ?? integer
            let radix = conversion == "o" ? 8 : conversion == "x" || conversion == "X" ? 16 : 10
            let digits = String(exact.magnitude, radix: radix, uppercase: conversion == "X")
            let zeros = String(repeating: "0", count: max(0, (precision ?? 0) - digits.utf8.count))
            return padded(Text((exact < 0 ? "-" : sign) + zeros + digits), isNumber: true)
        case "f", "F", "e", "E", "g", "G":
            guard let number = value.number else {
                throw .evaluation("found a \(value.typeName) for '%\(conversion)', expected a number")
            }
            let text = number.formatted(precision: precision ?? 6, conversion)
            return padded(Text(text.hasPrefix("-") ? text : sign + text), isNumber: true)
        default: throw .evaluation("found '%\(conversion)', expected one of %s %r %d %x %o %f %e %g %%")
        }
    }

    private func padded(_ text: Text, isNumber: Bool) -> Text {
        let missing = max(0, width - text.string.unicodeScalars.count)
        if isLeft { return text + Text(repeating: Text(" "), count: missing) }
        guard padsWithZeros, isNumber else { return Text(repeating: Text(" "), count: missing) + text }
        let hasSign = ["-", "+", " "].contains { text.string.hasPrefix($0) }
        let start = hasSign ? 1 : 0
        return text[0..<start] + Text(repeating: Text("0"), count: missing) + text[start..<text.byteCount]
    }
}

extension Double {
    /// C's `%.*f` and the like: correctly rounded decimal digits.
    ///
    /// - Precondition: `precision` is in 0...1000, `conversion` one of f, F, e, E, g, G.
    func formatted(precision: Int, _ conversion: Unicode.Scalar) -> String {
        // 309 digits before the point, at most 1000 after it.
        var buffer = [CChar](repeating: 0, count: 1400)
        let count = withVaList([Int32(precision), self]) { arguments in
            vsnprintf(&buffer, buffer.count, "%.*\(conversion)", arguments)
        }
        return String(
            decoding: buffer.prefix(max(0, Int(count))).map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }
}

/// Reads a text scalar by scalar.
struct ScalarScanner {
    private let scalars: [TextScalar]
    private var index = 0
    /// The origin of the last scalar read.
    private(set) var source = Source.template

    init(_ text: Text) { scalars = text.scalars }

    var peek: Unicode.Scalar? { index < scalars.count ? scalars[index].scalar : nil }

    mutating func next() -> Unicode.Scalar? {
        guard let scalar = peek else { return nil }
        source = scalars[index].source
        index += 1
        return scalar
    }

    mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
        guard peek == scalar else { return false }
        _ = next()
        return true
    }

    mutating func take(while condition: (Unicode.Scalar) -> Bool) -> String {
        var taken = String.UnicodeScalarView()
        while let scalar = peek, condition(scalar) {
            taken.append(scalar)
            _ = next()
        }
        return String(taken)
    }
}
