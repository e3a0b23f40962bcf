// SPDX-License-Identifier: Apache-2.0
// Evaluates expressions. Each case is a separate function: a single function would need a large frame for all its temporaries at
// every level of nesting.

extension Interpreter {
    /// The value of an expression.
    ///
    /// - Parameters:
    ///   - expression: The expression to evaluate.
    ///   - scope: The scope in which names are looked up.
    ///   - filtered: The operand of the first filter of a filter block.
    /// - Returns: The value.
    /// - Throws: An error with the position of the innermost expression that failed.
    func evaluate(
        _ expression: Expression, _ scope: Scope, filtered: Value? = nil
    ) throws(TemplateError) -> Value {
        try descend(expression.position) { () throws(TemplateError) -> Value in
            try evaluate(expression.kind, scope, filtered)
        }
    }

    private func evaluate(
        _ kind: Expression.Kind, _ scope: Scope, _ filtered: Value?
    ) throws(TemplateError) -> Value {
        switch kind {
        case .none: Value.none
        case .boolean(let value): .boolean(value)
        case .integer(let value): .integer(value)
        case .float(let value): .float(value)
        case .string(let text): .string(Text(text))
        case .name(let name): try lookUp(name, scope)
        case .list(let items): .list(try evaluate(all: items, scope))
        case .tuple(let items): .tuple(try evaluate(all: items, scope))
        case .mapping(let members): try evaluate(members: members, scope)
        case .attribute(let operand, let name): try attribute(name, of: try evaluate(operand, scope))
        case .item(let operand, let key): try item(try evaluate(operand, scope), try evaluate(key, scope))
        case .slice(let operand, let start, let stop, let step):
            try evaluateSlice(operand, [start, stop, step], scope)
        case .call(let callee, let arguments):
            try call(try evaluate(callee, scope), try evaluate(arguments, scope))
        case .filter(let operand, let name, let arguments):
            try evaluateFilter(operand, name, arguments, scope, filtered)
        case .test(let operand, let name, let arguments):
            .boolean(try test(name, try evaluate(operand, scope), try evaluate(arguments, scope)))
        case .negate(let operand): try evaluateSign(operand, isNegative: true, scope)
        case .plus(let operand): try evaluateSign(operand, isNegative: false, scope)
        case .not(let operand): .boolean(!(try evaluate(operand, scope).isTrue))
        case .and(let operands): try evaluateLogic(operands, stopsAt: false, scope)
        case .or(let operands): try evaluateLogic(operands, stopsAt: true, scope)
        case .arithmetic(let first, let operands): try evaluateArithmetic(first, operands, scope)
        case .concatenation(let operands): try evaluateConcatenation(operands, scope)
        case .comparison(let first, let operands): try evaluateComparison(first, operands, scope)
        case .conditional(let condition, let then, let otherwise):
            try evaluateConditional(condition, then, otherwise, scope)
        }
    }

    private func lookUp(_ name: String, _ scope: Scope) throws(TemplateError) -> Value {
        try budget.spend(scope.depth)
        if let value = scope.value(of: name) { return value }
        if let function = Function(rawValue: name) { return .function(function) }
        return .undefined(Missing(name: name))
    }

    private func evaluate(all expressions: [Expression], _ scope: Scope) throws(TemplateError) -> Elements {
        var values: [Value] = []
        values.reserveCapacity(expressions.count)
        for expression in expressions { values.append(try evaluate(expression, scope)) }
        return try Elements(values, budget)
    }

    private func evaluate(
        members: [(key: Expression, value: Expression)], _ scope: Scope
    ) throws(TemplateError) -> Value {
        let mapping = Mapping()
        for (key, value) in members {
            try mapping.set(try evaluate(key, scope), try evaluate(value, scope), budget)
        }
        return .mapping(mapping)
    }

    func evaluate(_ syntax: CallArguments, _ scope: Scope) throws(TemplateError) -> Arguments {
        var arguments = Arguments()
        for expression in syntax.positional { arguments.positional.append(try evaluate(expression, scope)) }
        for (name, expression) in syntax.named {
            arguments.named.append((Text(name), try evaluate(expression, scope)))
        }
        if let spread = syntax.spread {
            arguments.positional += try evaluate(spread, scope).elements(budget)
        }
        if let spread = syntax.spreadNamed {
            guard case .mapping(let mapping) = try evaluate(spread, scope) else {
                throw .evaluation("expected a mapping after '**'")
            }
            for (key, value) in zip(mapping.keys, mapping.values) {
                arguments.named.append((try key.printed(budget), value))
            }
        }
        return arguments
    }

    // MARK: - Operators

    private func evaluateFilter(
        _ operand: Expression?, _ name: String, _ syntax: CallArguments, _ scope: Scope, _ filtered: Value?
    ) throws(TemplateError) -> Value {
        let value: Value
        if let operand {
            value = try evaluate(operand, scope, filtered: filtered)
        } else {
            value = filtered ?? .undefined(Missing(name: ""))
        }
        return try filter(name, value, try evaluate(syntax, scope))
    }

    private func evaluateSign(
        _ operand: Expression, isNegative: Bool, _ scope: Scope
    ) throws(TemplateError) -> Value {
        let value = try evaluate(operand, scope)
        if let integer = value.integer {
            guard isNegative else { return .integer(integer) }
            return try ArithmeticOperator.subtract.apply(.integer(0), .integer(integer), budget)
        }
        if let number = value.number { return .float(isNegative ? -number : number) }
        if case .undefined(let missing) = value { throw missing.error }
        throw .evaluation("found a \(value.typeName) after a sign, expected a number")
    }

    /// `and` returns the first operand that is false, `or` the first that is true, otherwise the last.
    private func evaluateLogic(
        _ operands: [Expression], stopsAt truth: Bool, _ scope: Scope
    ) throws(TemplateError) -> Value {
        var value = Value.none
        for operand in operands {
            value = try evaluate(operand, scope)
            if value.isTrue == truth { break }
        }
        return value
    }

    private func evaluateArithmetic(
        _ first: Expression, _ operands: [(symbol: ArithmeticOperator, operand: Expression)], _ scope: Scope
    ) throws(TemplateError) -> Value {
        var value = try evaluate(first, scope)
        for (symbol, operand) in operands {
            value = try symbol.apply(value, try evaluate(operand, scope), budget)
        }
        return value
    }

    private func evaluateConcatenation(
        _ operands: [Expression], _ scope: Scope
    ) throws(TemplateError) -> Value {
        var text = Text()
        for operand in operands {
            let part = try evaluate(operand, scope).printed(budget)
            try budget.spend(bytes: part.cost)
            text.append(part)
            try budget.check(byteCount: text.byteCount)
        }
        return .string(text)
    }

    private func evaluateComparison(
        _ first: Expression, _ operands: [(symbol: ComparisonOperator, operand: Expression)], _ scope: Scope
    ) throws(TemplateError) -> Value {
        var left = try evaluate(first, scope)
        for (symbol, operand) in operands {
            let right = try evaluate(operand, scope)
            guard try compare(left, symbol, right) else { return .boolean(false) }
            left = right
        }
        return .boolean(true)
    }

    func compare(_ left: Value, _ symbol: ComparisonOperator, _ right: Value) throws(TemplateError) -> Bool {
        switch symbol {
        case .equal: return try left.equals(right, budget)
        case .notEqual: return try !left.equals(right, budget)
        case .isIn: return try right.contains(left, budget)
        case .isNotIn: return try !right.contains(left, budget)
        case .less: return try left.precedes(right, budget)
        case .greater: return try right.precedes(left, budget, as: ">")
        case .lessOrEqual, .greaterOrEqual:
            // Not the negation of the opposite: with NaN both are false.
            let isReversed = symbol == .greaterOrEqual
            let (a, b) = isReversed ? (right, left) : (left, right)
            if try a.precedes(b, budget, as: symbol.rawValue) { return true }
            return try a.equals(b, budget)
        }
    }

    private func evaluateConditional(
        _ condition: Expression, _ then: Expression, _ otherwise: Expression?, _ scope: Scope
    ) throws(TemplateError) -> Value {
        if try evaluate(condition, scope).isTrue { return try evaluate(then, scope) }
        guard let otherwise else { return .undefined(Missing(name: "")) }
        return try evaluate(otherwise, scope)
    }

    private func evaluateSlice(
        _ operand: Expression, _ bounds: [Expression?], _ scope: Scope
    ) throws(TemplateError) -> Value {
        let value = try evaluate(operand, scope)
        var integers: [Int?] = []
        for bound in bounds {
            guard let bound else {
                integers.append(nil)
                continue
            }
            let value = try evaluate(bound, scope)
            guard value.integer != nil || value.isNone else {
                throw .evaluation("found a \(value.typeName) in a slice, expected an integer")
            }
            integers.append(value.integer)
        }
        return try slice(value, start: integers[0], stop: integers[1], step: integers[2])
    }
}
