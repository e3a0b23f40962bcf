// SPDX-License-Identifier: Apache-2.0
// Tests: the names after `is`.

extension Interpreter {
    /// Whether `value is name arguments` holds.
    func test(_ name: String, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Bool {
        try budget.spend()
        if let result = testKind(name, value) {
            _ = try arguments.bind([], for: name)
            return result
        }
        if let symbol = comparison(name) {
            guard let other = try arguments.bind(["other"], for: name)[0] else {
                throw .evaluation("expected an argument for the test '\(name)'")
            }
            return try compare(value, symbol, other)
        }
        switch name {
        case "sameas": return try isSame(value, arguments)
        case "odd", "even":
            let remainder = try ArithmeticOperator.remainder.apply(value, .integer(2), budget)
            return try remainder.equals(.integer(name == "odd" ? 1 : 0), budget)
        case "divisibleby":
            guard let divisor = try arguments.bind(["num"], for: name)[0] else {
                throw .evaluation("expected a divisor for the test 'divisibleby'")
            }
            return try ArithmeticOperator.remainder.apply(value, divisor, budget).equals(.integer(0), budget)
        case "lower", "upper":
            let text = try value.printed(budget).string
            try budget.spend(bytes: text.utf8.count)
            return text.hasOnlyCase(isUpper: name == "upper")
        default: throw .evaluation("found the test '\(name)', expected one that chat templates use")
        }
    }

    /// Tests that depend only on the kind of value.
    private func testKind(_ name: String, _ value: Value) -> Bool? {
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": return value.isNone
        case "string": return value.text != nil
        case "escaped":
            if case .markup = value { return true }
            return false
        case "number": return value.number != nil
        case "integer":
            if case .integer = value { return true }
            return false
        case "float":
            if case .float = value { return true }
            return false
        case "boolean", "true", "false":
            guard case .boolean(let truth) = value else { return false }
            return name == "boolean" || truth == (name == "true")
        case "mapping":
            if case .mapping = value { return true }
            return false
        case "sequence":
            return switch value {
            case .string, .markup, .list, .tuple, .mapping, .range, .undefined: true
            default: false
            }
        case "iterable":
            return switch value {
            case .string, .markup, .list, .tuple, .mapping, .range, .view, .iterator, .loop, .undefined: true
            default: false
            }
        case "callable":
            return switch value {
            case .macro, .method, .function, .undefined, .loop: true
            default: false
            }
        default: return nil
        }
    }

    private func comparison(_ name: String) -> ComparisonOperator? {
        switch name {
        case "eq", "equalto", "==": .equal
        case "ne", "!=": .notEqual
        case "lt", "lessthan", "<": .less
        case "le", "<=": .lessOrEqual
        case "gt", "greaterthan", ">": .greater
        case "ge", ">=": .greaterOrEqual
        case "in": .isIn
        default: nil
        }
    }

    /// Identity; for values without identity, equality of type and value.
    private func isSame(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Bool {
        guard let other = try arguments.bind(["other"], for: "sameas")[0] else {
            throw .evaluation("expected an argument for the test 'sameas'")
        }
        guard value.typeName == other.typeName else { return false }
        return try value.equals(other, budget)
    }
}

extension String {
    /// Whether the text has cased letters, all of the given case.
    func hasOnlyCase(isUpper: Bool) -> Bool {
        var hasCase = false
        for scalar in unicodeScalars {
            let properties = scalar.properties
            if isUpper ? properties.isLowercase : properties.isUppercase { return false }
            if properties.generalCategory == .titlecaseLetter { return false }
            if properties.isCased { hasCase = true }
        }
        return hasCase
    }
}
