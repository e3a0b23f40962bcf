// SPDX-License-Identifier: Apache-2.0
// Values as text: Python's str() for output, repr() inside lists and mappings.

extension Value {
    /// The output of `{{ value }}`.
    ///
    /// Numbers and similar values count as the template's. Brackets and quotes around the elements of a list have no origin, so
    /// they count as input.
    func printed(_ budget: Budget) throws(TemplateError) -> Text {
        switch self {
        case .string(let text), .markup(let text): return text
        case .undefined: return Text()
        case .none, .boolean, .integer, .float:
            return Text(try represented(budget).string)
        default: return try represented(budget)
        }
    }

    /// The text of the value as an element of a list.
    func represented(_ budget: Budget) throws(TemplateError) -> Text {
        var text = Text()
        try appendRepresentation(to: &text, budget)
        return text
    }

    private func appendRepresentation(to text: inout Text, _ budget: Budget) throws(TemplateError) {
        try budget.spend(bytes: 16)
        func add(_ string: String) { text.append(string, from: .input) }
        switch self {
        case .undefined: add("Undefined")
        case .none: add("None")
        case .boolean(let value): add(value ? "True" : "False")
        case .integer(let value): add(value.description)
        case .float(let value): add(value.pythonDescription)
        case .string(let value): try append(quoted: value, to: &text, budget)
        case .markup(let value):
            add("Markup(")
            try append(quoted: value, to: &text, budget)
            add(")")
        case .list(let elements): try append(elements.items, "[", "]", to: &text, budget)
        case .tuple(let elements):
            try append(elements.items, "(", elements.items.count == 1 ? ",)" : ")", to: &text, budget)
        case .view(let elements): try append(elements.items, "dict_view([", "])", to: &text, budget)
        case .mapping(let mapping): try append(mapping, to: &text, budget)
        case .range(let start, let stop, let step):
            add(step == 1 ? "range(\(start), \(stop))" : "range(\(start), \(stop), \(step))")
        case .namespace(let namespace):
            add("<Namespace ")
            // A namespace may contain itself: its attributes are printed without following further namespaces.
            try append(namespace.attributes, to: &text, budget, followsNamespaces: false)
            add(">")
        case .iterator: add("<generator object>")
        case .loop(let loop): add("<LoopContext \(loop.index + 1)/\(loop.items.count)>")
        case .macro(let macro): add("<Macro '\(macro.syntax.name)'>")
        case .method(let method): add("<method \(method.name)>")
        case .function(let function): add("<function \(function.rawValue)>")
        }
    }

    private func append(
        _ items: [Value], _ opening: String, _ closing: String, to text: inout Text, _ budget: Budget
    ) throws(TemplateError) {
        text.append(opening, from: .input)
        for (index, item) in items.enumerated() {
            if index > 0 { text.append(", ", from: .input) }
            try item.appendRepresentation(to: &text, budget)
        }
        text.append(closing, from: .input)
        try budget.check(byteCount: text.byteCount)
    }

    private func append(
        _ mapping: Mapping, to text: inout Text, _ budget: Budget, followsNamespaces: Bool = true
    ) throws(TemplateError) {
        text.append("{", from: .input)
        for index in 0..<mapping.count {
            if index > 0 { text.append(", ", from: .input) }
            try mapping.keys[index].appendRepresentation(to: &text, budget)
            text.append(": ", from: .input)
            if !followsNamespaces, try mapping.values[index].holdsNamespace(budget) {
                text.append("…", from: .input)
            } else {
                try mapping.values[index].appendRepresentation(to: &text, budget)
            }
        }
        text.append("}", from: .input)
    }

    /// Whether printing the value could reach a namespace. Lists that share parts are visited once per use.
    private func holdsNamespace(_ budget: Budget) throws(TemplateError) -> Bool {
        try budget.spend()
        let items: [Value]
        switch self {
        case .namespace: return true
        case .list(let elements), .tuple(let elements), .view(let elements): items = elements.items
        case .mapping(let mapping): items = mapping.values
        default: return false
        }
        for item in items where try item.holdsNamespace(budget) { return true }
        return false
    }

    /// Python's repr of a string: single quotes unless the string contains only those.
    private func append(quoted string: Text, to text: inout Text, _ budget: Budget) throws(TemplateError) {
        try budget.spend(scalars: string.cost)
        let bytes = string.string.utf8
        let usesDouble = bytes.contains(UInt8(ascii: "'")) && !bytes.contains(UInt8(ascii: "\""))
        let quote: Unicode.Scalar = usesDouble ? "\"" : "'"
        text.append(quote, from: .input)
        text.append(string.mapScalars { $0.pythonEscaped(quote: quote) })
        text.append(quote, from: .input)
    }
}

extension String {
    fileprivate func pythonEscaped(quote: Unicode.Scalar) -> String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\\": text += "\\\\"
            case quote: text += "\\\(quote)"
            default:
                if scalar.isPythonPrintable {
                    text.unicodeScalars.append(scalar)
                } else {
                    text += scalar.pythonEscape
                }
            }
        }
        return text
    }
}

extension Unicode.Scalar {
    /// The characters that `str.isprintable` accepts.
    fileprivate var isPythonPrintable: Bool {
        if isASCII { return (0x20..<0x7F).contains(value) }
        return switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            false
        default: true
        }
    }

    fileprivate var pythonEscape: String {
        let digits = String(value, radix: 16)
        let (prefix, width) = value < 0x100 ? ("\\x", 2) : value < 0x10000 ? ("\\u", 4) : ("\\U", 8)
        return prefix + String(repeating: "0", count: width - digits.utf8.count) + digits
    }
}

extension Double {
    /// Python's repr: the shortest digits, with an exponent below 1e-4 and from 1e16 on.
    var pythonDescription: String {
        if isNaN { return "nan" }
        if isInfinite { return self < 0 ? "-inf" : "inf" }
        let (digits, point) = decimalDigits
        let sign = self.sign == .minus ? "-" : ""
        let count = digits.utf8.count
        if point > 16 || point < -3 {
            let exponent = point - 1
            let mantissa = count > 1 ? digits.prefix(1) + "." + digits.dropFirst() : digits[...]
            let magnitude = abs(exponent)
            return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + (magnitude < 10 ? "0" : "")
                + "\(magnitude)"
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if point >= count { return sign + digits + String(repeating: "0", count: point - count) + ".0" }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }

    /// The shortest digits without leading and trailing zeros; value = 0.digits · 10^point.
    private var decimalDigits: (digits: String, point: Int) {
        var digits: [UInt8] = []
        var point = 0
        var hasSeenPoint = false
        var exponent = 0
        let text = Array(magnitude.description.utf8)
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: "e") {
                exponent = Int(String(decoding: text[(index + 1)...], as: UTF8.self)) ?? 0
                break
            }
            if byte == UInt8(ascii: ".") {
                hasSeenPoint = true
                continue
            }
            if digits.isEmpty, byte == UInt8(ascii: "0") {
                if hasSeenPoint { point -= 1 }
                continue
            }
            digits.append(byte)
            if !hasSeenPoint { point += 1 }
        }
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        if digits.isEmpty { return ("0", 1) }
        return (String(decoding: digits, as: UTF8.self), point + exponent)
    }
}
