// SPDX-License-Identifier: Apache-2.0
// Filters by name. Those on text and numbers are here, those on sequences in a separate file.

extension Interpreter {
    /// The value of `value | name(arguments)`.
    func filter(_ name: String, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        try budget.spend()
        if let result = try filterText(name, value, arguments) { return result }
        if let result = try filterNumber(name, value, arguments) { return result }
        if let result = try filterSequence(name, value, arguments) { return result }
        throw .evaluation("found the filter '\(name)', expected one that chat templates use")
    }

    /// The text of a value, counted against the budget; the filters below copy it.
    private func text(_ value: Value) throws(TemplateError) -> Text {
        let text = try value.printed(budget)
        try budget.spend(bytes: text.cost)
        return text
    }

    /// The same for filters that inspect each scalar.
    private func letters(_ value: Value) throws(TemplateError) -> Text {
        let text = try value.printed(budget)
        try budget.spend(scalars: text.cost)
        return text
    }

    // MARK: - Text

    private func filterText(
        _ name: String, _ value: Value, _ arguments: Arguments
    ) throws(TemplateError) -> Value? {
        switch name {
        case "trim":
            let set = try arguments.bind(["chars"], for: name)[0]
            try budget.spend(scalars: set?.string?.utf8.count ?? 0)
            return .string(
                try (set == nil ? text(value) : letters(value)).stripped(
                    of: set?.string, leading: true, trailing: true))
        case "upper": return .string(try letters(value).uppercased)
        case "lower": return .string(try letters(value).lowercased)
        case "capitalize": return .string(try letters(value).pythonCapitalized)
        case "title": return .string(try letters(value).jinjaTitle)
        case "string":
            if case .markup = value { return value }
            return .string(try text(value))
        case "safe": return .markup(try text(value))
        case "e", "escape":
            if case .markup = value { return value }
            return .markup(try escaped(value))
        case "forceescape": return .markup(try escaped(value))
        case "replace":
            let bound = try arguments.bind(["old", "new", "count"], for: name)
            guard let old = bound[0], let new = bound[1] else {
                throw .evaluation("expected two arguments for 'replace'")
            }
            let count = bound[2]?.integer ?? -1
            return .string(
                try replace(
                    in: try text(value), try old.printed(budget).string, by: try new.printed(budget),
                    count: count))
        case "indent":
            guard let text = value.text else {
                throw .evaluation("found a \(value.typeName) for 'indent', expected a string")
            }
            return .string(try indent(text, arguments))
        case "center":
            let width = try arguments.bind(["width"], for: name)[0]?.integer ?? 80
            return .string(try pad(try text(value), to: width, with: Text(" "), .both))
        case "wordcount":
            var count = 0
            var isInWord = false
            for scalar in try letters(value).string.unicodeScalars {
                if scalar.isWordPart, !isInWord { count += 1 }
                isInWord = scalar.isWordPart
            }
            return .integer(count)
        case "format":
            let format = try text(value)
            guard !arguments.named.isEmpty else {
                return .string(
                    try format.formatted(percent: .tuple(try Elements(arguments.positional, budget)), budget))
            }
            let mapping = Mapping()
            for (name, value) in arguments.named { try mapping.set(.string(name), value, budget) }
            return .string(try format.formatted(percent: .mapping(mapping), budget))
        case "tojson": return .string(try writeJSON(value, arguments))
        default: return nil
        }
    }

    private func escaped(_ value: Value) throws(TemplateError) -> Text {
        let escaped = try letters(value).htmlEscaped
        try budget.spend(bytes: escaped.cost)
        return escaped
    }

    private func indent(_ text: Text, _ arguments: Arguments) throws(TemplateError) -> Text {
        let bound = try arguments.bind(["width", "first", "blank"], for: "indent")
        let width = bound[0]?.integer ?? 4
        let spaces = try pad(Text(), to: width, with: Text(" "), .right)
        let indentation = bound[0]?.text ?? spaces
        let indentsBlank = bound[2]?.isTrue ?? false
        try budget.spend(bytes: text.cost)
        let lines = try (text + Text("\n")).pythonLines(budget)
        try budget.spend(bytes: text.cost + lines.count * indentation.cost)
        var result = bound[1]?.isTrue ?? false ? indentation : Text()
        for (index, line) in lines.enumerated() {
            if index > 0 { result.append(Text("\n")) }
            if index > 0 && (indentsBlank || !line.isEmpty) { result.append(indentation) }
            result.append(line)
        }
        return result
    }

    private func writeJSON(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Text {
        let bound = try arguments.bind(["ensure_ascii", "indent", "separators", "sort_keys"], for: "tojson")
        var writer = JSONTextWriter(budget: budget)
        writer.escapesNonASCII = bound[0]?.isTrue ?? false
        if let indentation = bound[1]?.text {
            writer.indentation = indentation
        } else if let width = bound[1]?.integer {
            writer.indentation = try pad(Text(), to: width, with: Text(" "), .right)
        }
        if writer.indentation != nil { writer.itemSeparator = Text(",", from: .input) }
        if let separators = bound[2], !separators.isNone {
            let parts = try separators.elements(budget)
            guard parts.count == 2, let item = parts[0].text, let key = parts[1].text else {
                throw .evaluation("expected two strings as 'separators' of 'tojson'")
            }
            writer.itemSeparator = item
            writer.keySeparator = key
        }
        writer.sortsKeys = bound[3]?.isTrue ?? false
        try writer.write(value)
        return writer.text
    }

    // MARK: - Numbers

    private func filterNumber(
        _ name: String, _ value: Value, _ arguments: Arguments
    ) throws(TemplateError) -> Value? {
        guard ["int", "float", "abs", "round"].contains(name) else { return nil }
        if case .undefined(let missing) = value { throw missing.error }
        if let text = value.text { try budget.spend(scalars: text.byteCount) }
        switch name {
        case "int":
            let bound = try arguments.bind(["default", "base"], for: name)
            return convertToInteger(value, base: bound[1]?.integer ?? 10) ?? bound[0] ?? .integer(0)
        case "float":
            let fallback = try arguments.bind(["default"], for: name)[0]
            let number = value.number ?? value.string?.pythonNumber
            return number.map { .float($0) } ?? fallback ?? .float(0)
        case "abs":
            if case .float(let number) = value { return .float(abs(number)) }
            guard let integer = value.integer, integer != .min else {
                throw .evaluation("found a \(value.typeName) for 'abs', expected a number")
            }
            return .integer(abs(integer))
        default: return try round(value, arguments)
        }
    }

    private func convertToInteger(_ value: Value, base: Int) -> Value? {
        if let integer = value.integer { return .integer(integer) }
        if let text = value.string, let integer = text.pythonInteger(base: base) { return .integer(integer) }
        guard let number = value.number ?? value.string?.pythonNumber,
            let integer = Int(exactly: number.rounded(.towardZero))
        else { return nil }
        return .integer(integer)
    }

    private func round(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        let bound = try arguments.bind(["precision", "method"], for: "round")
        let precision = bound[0]?.integer ?? 0
        guard let number = value.number, (-300...300).contains(precision) else {
            throw .evaluation(
                "found a \(value.typeName) for 'round', expected a number and a precision up to 300")
        }
        let method = bound[1]?.string ?? "common"
        guard method != "common" else {
            if let integer = value.integer, precision >= 0 { return .integer(integer) }
            guard precision < 0 else {
                return .float(Double(number.formatted(precision: precision, "f")) ?? number)
            }
            let scale = Double("1e\(-precision)") ?? 1
            return .float((number / scale).rounded(.toNearestOrEven) * scale)
        }
        guard method == "ceil" || method == "floor" else {
            throw .evaluation("found the method '\(method)', expected 'common', 'ceil' or 'floor'")
        }
        let scale = Double("1e\(precision)") ?? 1
        return .float((number * scale).rounded(method == "ceil" ? .up : .down) / scale)
    }
}

extension String {
    /// The integer as read by Python's `int`.
    fileprivate func pythonInteger(base: Int) -> Int? {
        var digits = Text(self).stripped(of: nil, leading: true, trailing: true).string.lowercased()
        let isNegative = digits.hasPrefix("-")
        if isNegative || digits.hasPrefix("+") { digits.removeFirst() }
        for (prefix, prefixBase) in [("0x", 16), ("0o", 8), ("0b", 2)]
        where base == prefixBase && digits.hasPrefix(prefix) {
            digits.removeFirst(2)
        }
        guard (2...36).contains(base), let first = digits.utf8.first, first != UInt8(ascii: "-"),
            first != UInt8(ascii: "+"), first != UInt8(ascii: "_")
        else { return nil }
        digits.removeAll { $0 == "_" }
        return Int((isNegative ? "-" : "") + digits, radix: base)
    }

    /// The number as read by Python's `float`.
    fileprivate var pythonNumber: Double? {
        let literal = Text(self).stripped(of: nil, leading: true, trailing: true).string.lowercased()
        // Swift also accepts hexadecimal floats, Python does not.
        guard !literal.contains("x"), !literal.contains("p") else { return nil }
        return Double(literal)
    }
}

extension Text {
    /// Jinja's own title case: words start after white space, hyphens and opening brackets.
    fileprivate var jinjaTitle: Text {
        var result = Text()
        var isInWord = false
        for part in scalars {
            let separates = part.isPythonSpace || "-({[<".unicodeScalars.contains(part.scalar)
            let properties = part.scalar.properties
            result.append(
                isInWord ? properties.lowercaseMapping : properties.uppercaseMapping, from: part.source)
            isInWord = !separates
        }
        return result
    }
}
