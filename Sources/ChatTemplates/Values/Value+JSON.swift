// SPDX-License-Identifier: Apache-2.0
// JSON to values, and back to text as `tojson` does in Hugging Face transformers: Python's
// json.dumps with ensure_ascii off, ", " and ": " between items unless indented.

import JSON

extension Value {
    /// The names of speakers. Templates write them into control tokens, as in `'<|' + message.role + '|>'`, so these words count
    /// as the template's own; any other role counts as input, like a message.
    private static let roles: Set<String> = [
        "assistant", "developer", "function", "ipython", "model", "observation", "system", "tool", "user",
    ]

    /// The value for JSON data, all of which counts as input.
    ///
    /// - Throws: If lists and objects are nested too deeply for a template.
    init(_ json: JSON, _ budget: Budget, depth: Int = 0) throws(TemplateError) {
        guard depth < TemplateLimits.valueDepth else {
            throw .limit("more than \(TemplateLimits.valueDepth) nested lists and mappings")
        }
        switch json {
        case .null: self = .none
        case .bool(let value): self = .boolean(value)
        case .integer(let value): self = .integer(value)
        case .number(let value): self = .float(value)
        case .string(let text): self = .string(Text(text, from: .input))
        case .array(let elements):
            var items: [Value] = []
            items.reserveCapacity(elements.count)
            for element in elements { items.append(try Value(element, budget, depth: depth + 1)) }
            self = .list(try Elements(items, budget))
        case .object(let object):
            let mapping = Mapping()
            for member in object {
                let value = try Value(member.value, budget, depth: depth + 1)
                let isRole = member.key == "role" && value.string.map(Self.roles.contains) ?? false
                try mapping.set(
                    .string(Text(member.key, from: .input)),
                    isRole ? .string(Text(value.string ?? "")) : value, budget)
            }
            self = .mapping(mapping)
        }
    }
}

/// Writes values as JSON text. JSON's own punctuation counts as input, like most of the values that it surrounds.
struct JSONTextWriter {
    /// The text before each item of an indented list, repeated per level; nil for a single line.
    var indentation: Text?
    var itemSeparator = Text(", ", from: .input)
    var keySeparator = Text(": ", from: .input)
    var escapesNonASCII = false
    var sortsKeys = false
    let budget: Budget
    var text = Text()

    mutating func write(_ value: Value, level: Int = 0) throws(TemplateError) {
        try budget.spend()
        switch value {
        case .none: add("null")
        case .boolean(let value): add(value ? "true" : "false")
        case .integer(let value): add(value.description)
        case .float(let value): add(jsonNumber(value))
        case .string(let string), .markup(let string): try write(string)
        case .list(let elements), .tuple(let elements): try write(elements.items, level)
        case .mapping(let mapping): try write(mapping, level)
        case .undefined(let missing): throw missing.error
        default: throw .evaluation("found a \(value.typeName), expected a value that JSON can express")
        }
        try budget.check(byteCount: text.byteCount)
    }

    private mutating func add(_ string: String) { text.append(string, from: .input) }

    private func jsonNumber(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return value.pythonDescription
    }

    private mutating func write(_ items: [Value], _ level: Int) throws(TemplateError) {
        guard !items.isEmpty else { return add("[]") }
        add("[")
        for (index, item) in items.enumerated() {
            try separate(index, level + 1)
            try write(item, level: level + 1)
        }
        try breakLine(level)
        add("]")
    }

    private mutating func write(_ mapping: Mapping, _ level: Int) throws(TemplateError) {
        guard mapping.count > 0 else { return add("{}") }
        add("{")
        var order = Array(0..<mapping.count)
        if sortsKeys {
            try sort(&order) { (a, b) throws(TemplateError) in
                try mapping.keys[a].precedes(mapping.keys[b], budget)
            }
        }
        for (count, index) in order.enumerated() {
            try separate(count, level + 1)
            switch mapping.keys[index] {
            case .string(let key), .markup(let key): try write(key)
            case .none: add("\"null\"")
            case .boolean(let key): add(key ? "\"true\"" : "\"false\"")
            case .float(let key): add("\"\(jsonNumber(key))\"")
            case .integer(let key): add("\"\(key)\"")
            default: throw .evaluation("found a \(mapping.keys[index].typeName) as a key, expected a string")
            }
            text.append(keySeparator)
            try write(mapping.values[index], level: level + 1)
        }
        try breakLine(level)
        add("}")
    }

    private mutating func separate(_ index: Int, _ level: Int) throws(TemplateError) {
        if index > 0 { text.append(itemSeparator) }
        try breakLine(level)
    }

    private mutating func breakLine(_ level: Int) throws(TemplateError) {
        guard let indentation else { return }
        try budget.spend(bytes: indentation.cost * level)
        add("\n")
        for _ in 0..<level { text.append(indentation) }
    }

    private mutating func write(_ string: Text) throws(TemplateError) {
        try budget.spend(scalars: string.cost)
        add("\"")
        text.append(string.mapScalars { $0.jsonEscaped(escapesNonASCII: escapesNonASCII) })
        add("\"")
    }
}

extension String {
    fileprivate func jsonEscaped(escapesNonASCII: Bool) -> String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{08}": text += "\\b"
            case "\u{0C}": text += "\\f"
            default:
                if scalar.value < 0x20 || (escapesNonASCII && scalar.value >= 0x7F) {
                    for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
                        let digits = String(unit, radix: 16)
                        text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
                    }
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        return text
    }
}

/// Merge sort in place; stable, as in Python.
func sort<Element>(
    _ elements: inout [Element], by precedes: (Element, Element) throws(TemplateError) -> Bool
) throws(TemplateError) {
    guard elements.count > 1 else { return }
    var left = Array(elements[..<(elements.count / 2)])
    var right = Array(elements[(elements.count / 2)...])
    try sort(&left, by: precedes)
    try sort(&right, by: precedes)
    var (i, j) = (0, 0)
    for place in elements.indices {
        var takesRight = i == left.count
        if !takesRight, j < right.count { takesRight = try precedes(right[j], left[i]) }
        elements[place] = takesRight ? right[j] : left[i]
        if takesRight { j += 1 } else { i += 1 }
    }
}
