// SPDX-License-Identifier: Apache-2.0
// Arithmetic on values as in Python, except that integers have 64 bits; overflow is an error.

import Glibc

extension ArithmeticOperator {
    func apply(_ left: Value, _ right: Value, _ budget: Budget) throws(TemplateError) -> Value {
        try budget.spend()
        if case .undefined(let missing) = left { throw missing.error }
        if let result = try applyToSequences(left, right, budget) { return result }
        if case .undefined(let missing) = right { throw missing.error }
        if self != .divide, let a = left.integer, let b = right.integer, self != .power || b >= 0 {
            return .integer(try applyToIntegers(a, b))
        }
        if let a = left.number, let b = right.number { return .float(try applyToFloats(a, b)) }
        throw .evaluation(
            "found a \(left.typeName) \(rawValue) a \(right.typeName), expected operands that fit '\(rawValue)'"
        )
    }

    private func applyToIntegers(_ a: Int, _ b: Int) throws(TemplateError) -> Int {
        let result: (partialValue: Int, overflow: Bool)
        switch self {
        case .add: result = a.addingReportingOverflow(b)
        case .subtract: result = a.subtractingReportingOverflow(b)
        case .multiply: result = a.multipliedReportingOverflow(by: b)
        case .divide, .floorDivide, .remainder:
            guard b != 0 else { throw .evaluation("division by zero") }
            guard b != -1 else {
                result = self == .remainder ? (0, false) : (0).subtractingReportingOverflow(a)
                break
            }
            // Python rounds towards minus infinity, and the remainder has the divisor's sign.
            let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
            let isAdjusted = remainder != 0 && (remainder < 0) != (b < 0)
            if self == .remainder { return isAdjusted ? remainder + b : remainder }
            return isAdjusted ? quotient - 1 : quotient
        case .power: result = Self.power(a, b)
        }
        guard !result.overflow else {
            throw .evaluation("\(a) \(rawValue) \(b) does not fit an integer of 64 bits")
        }
        return result.partialValue
    }

    /// - Precondition: The exponent is not negative.
    private static func power(_ base: Int, _ exponent: Int) -> (partialValue: Int, overflow: Bool) {
        if base == 0 || base == 1 || exponent == 0 { return (exponent == 0 ? 1 : base, false) }
        if base == -1 { return (exponent % 2 == 0 ? 1 : -1, false) }
        var result = 1
        for _ in 0..<min(exponent, 64) {
            let (product, overflow) = result.multipliedReportingOverflow(by: base)
            if overflow { return (0, true) }
            result = product
        }
        return (result, false)
    }

    private func applyToFloats(_ a: Double, _ b: Double) throws(TemplateError) -> Double {
        switch self {
        case .add: return a + b
        case .subtract: return a - b
        case .multiply: return a * b
        case .power: return pow(a, b)
        case .divide, .floorDivide, .remainder:
            guard b != 0 else { throw .evaluation("division by zero") }
            if self == .divide { return a / b }
            if self == .floorDivide { return (a / b).rounded(.down) }
            let remainder = fmod(a, b)
            return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder
        }
    }

    // MARK: - Strings and lists

    private func applyToSequences(
        _ left: Value, _ right: Value, _ budget: Budget
    ) throws(TemplateError) -> Value? {
        switch self {
        case .add: return try concatenate(left, right, budget)
        case .multiply:
            if let count = right.integer { return try repeated(left, count, budget) }
            if let count = left.integer { return try repeated(right, count, budget) }
            return nil
        case .remainder:
            guard let format = left.text else { return nil }
            return .string(try format.formatted(percent: right, budget))
        default: return nil
        }
    }

    private func concatenate(_ left: Value, _ right: Value, _ budget: Budget) throws(TemplateError) -> Value?
    {
        switch (left, right) {
        case (.list(let a), .list(let b)): return .list(try Elements(a.items + b.items, budget))
        case (.tuple(let a), .tuple(let b)): return .tuple(try Elements(a.items + b.items, budget))
        default: break
        }
        guard let a = left.text, let b = right.text else { return nil }
        try budget.spend(bytes: a.cost + b.cost)
        switch (left, right) {
        case (.markup, .markup): return .markup(a + b)
        case (.markup, _): return .markup(a + b.htmlEscaped)
        case (_, .markup): return .markup(a.htmlEscaped + b)
        default: return .string(a + b)
        }
    }

    private func repeated(_ value: Value, _ count: Int, _ budget: Budget) throws(TemplateError) -> Value? {
        let count = max(count, 0)
        func size(_ unit: Int) throws(TemplateError) -> Int {
            let (size, overflow) = unit.multipliedReportingOverflow(by: count)
            guard !overflow else { throw .limit("found \(count) repetitions") }
            return size
        }
        switch value {
        case .string(let text), .markup(let text):
            try budget.check(byteCount: try size(text.byteCount))
            try budget.spend(bytes: try size(text.cost))
            return .string(Text(repeating: text, count: count))
        case .list(let elements), .tuple(let elements):
            try budget.spend(elements: try size(elements.items.count))
            guard !elements.items.isEmpty else { return value }
            var items: [Value] = []
            for _ in 0..<count { items += elements.items }
            let result = try Elements(items, budget)
            if case .list = value { return .list(result) }
            return .tuple(result)
        default: return nil
        }
    }
}

extension Text {
    /// The text with HTML's special characters as entities.
    var htmlEscaped: Text { mapScalars(\.htmlEscaped) }
}

extension String {
    /// The text with HTML's special characters as entities, as MarkupSafe writes them.
    fileprivate var htmlEscaped: String {
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            switch scalar {
            case "&": result.append(contentsOf: "&amp;".unicodeScalars)
            case "<": result.append(contentsOf: "&lt;".unicodeScalars)
            case ">": result.append(contentsOf: "&gt;".unicodeScalars)
            case "\"": result.append(contentsOf: "&#34;".unicodeScalars)
            case "'": result.append(contentsOf: "&#39;".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
