// SPDX-License-Identifier: Apache-2.0
// Expressions, by precedence from the loosest to the tightest: inline if, or, and, not, comparison, + and -, ~, * / // %, **,
// sign, filter and test, then the postfix operators of a value.

extension Parser {
    /// An expression; if `allowsConditional` is false, an `if` after it belongs to the statement.
    mutating func parseExpression(allowsConditional: Bool = true) throws(TemplateError) -> Expression {
        try enter()
        defer { leave() }
        guard allowsConditional else { return try parseOr() }
        var expression = try parseOr()
        var count = 0
        while skip(name: "if") {
            let condition = try parseOr()
            let otherwise: Expression? = skip(name: "else") ? try parseExpression() : nil
            expression = Expression(
                position: expression.position,
                kind: .conditional(condition: condition, then: expression, otherwise: otherwise))
            count += 1
            try checkChain(count)
        }
        return expression
    }

    private mutating func parseOr() throws(TemplateError) -> Expression {
        let first = try parseAnd()
        guard isName("or") else { return first }
        var operands = [first]
        while skip(name: "or") { operands.append(try parseAnd()) }
        return Expression(position: first.position, kind: .or(operands))
    }

    private mutating func parseAnd() throws(TemplateError) -> Expression {
        let first = try parseNot()
        guard isName("and") else { return first }
        var operands = [first]
        while skip(name: "and") { operands.append(try parseNot()) }
        return Expression(position: first.position, kind: .and(operands))
    }

    private mutating func parseNot() throws(TemplateError) -> Expression {
        let position = token.position
        guard skip(name: "not") else { return try parseComparison() }
        try enter()
        defer { leave() }
        return Expression(position: position, kind: .not(try parseNot()))
    }

    private mutating func parseComparison() throws(TemplateError) -> Expression {
        let first = try parseSum()
        var operands: [(symbol: ComparisonOperator, operand: Expression)] = []
        while let found = takeComparisonOperator() { operands.append((found, try parseSum())) }
        guard !operands.isEmpty else { return first }
        return Expression(position: first.position, kind: .comparison(first, operands))
    }

    private mutating func takeComparisonOperator() -> ComparisonOperator? {
        if skip(name: "in") { return .isIn }
        if isName("not"), case .name("in") = tokens[min(index + 1, tokens.count - 1)].kind {
            index += 2
            return .isNotIn
        }
        guard case .symbol(let symbol) = token.kind, let found = ComparisonOperator(rawValue: symbol) else {
            return nil
        }
        index += 1
        return found
    }

    private mutating func parseSum() throws(TemplateError) -> Expression {
        let first = try parseConcatenation()
        var operands: [(symbol: ArithmeticOperator, operand: Expression)] = []
        while let found = takeOperator([.add, .subtract]) {
            operands.append((found, try parseConcatenation()))
        }
        return operands.isEmpty
            ? first : Expression(position: first.position, kind: .arithmetic(first, operands))
    }

    private mutating func parseConcatenation() throws(TemplateError) -> Expression {
        let first = try parseProduct()
        guard isSymbol("~") else { return first }
        var operands = [first]
        while skip(symbol: "~") { operands.append(try parseProduct()) }
        return Expression(position: first.position, kind: .concatenation(operands))
    }

    private mutating func parseProduct() throws(TemplateError) -> Expression {
        let first = try parsePower()
        var operands: [(symbol: ArithmeticOperator, operand: Expression)] = []
        while let found = takeOperator([.multiply, .divide, .floorDivide, .remainder]) {
            operands.append((found, try parsePower()))
        }
        return operands.isEmpty
            ? first : Expression(position: first.position, kind: .arithmetic(first, operands))
    }

    /// Unlike Python, Jinja treats powers as left-associative.
    private mutating func parsePower() throws(TemplateError) -> Expression {
        let first = try parseSigned(takesFilters: true)
        var operands: [(symbol: ArithmeticOperator, operand: Expression)] = []
        while let found = takeOperator([.power]) {
            operands.append((found, try parseSigned(takesFilters: true)))
        }
        return operands.isEmpty
            ? first : Expression(position: first.position, kind: .arithmetic(first, operands))
    }

    private mutating func takeOperator(_ accepted: [ArithmeticOperator]) -> ArithmeticOperator? {
        guard case .symbol(let symbol) = token.kind, let found = ArithmeticOperator(rawValue: symbol),
            accepted.contains(found)
        else { return nil }
        index += 1
        return found
    }

    private mutating func parseSigned(takesFilters: Bool) throws(TemplateError) -> Expression {
        let position = token.position
        var expression: Expression
        if isSymbol("-") || isSymbol("+") {
            let isNegative = isSymbol("-")
            index += 1
            try enter()
            defer { leave() }
            let operand = try parseSigned(takesFilters: false)
            expression = Expression(position: position, kind: isNegative ? .negate(operand) : .plus(operand))
        } else {
            expression = try parsePrimary()
        }
        expression = try parsePostfix(expression)
        return takesFilters ? try parseFilters(expression) : expression
    }

    // MARK: - Values

    mutating func parsePrimary() throws(TemplateError) -> Expression {
        let position = token.position
        switch token.kind {
        case .name(let name):
            index += 1
            switch name {
            case "true", "True": return Expression(position: position, kind: .boolean(true))
            case "false", "False": return Expression(position: position, kind: .boolean(false))
            case "none", "None": return Expression(position: position, kind: .none)
            default:
                if name == "varargs" { namesVarargs = true }
                if name == "kwargs" { namesKwargs = true }
                return Expression(position: position, kind: .name(name))
            }
        case .string(var text):
            index += 1
            while case .string(let more) = token.kind {
                text += more
                index += 1
            }
            return Expression(position: position, kind: .string(text))
        case .integer(let value):
            index += 1
            return Expression(position: position, kind: .integer(value))
        case .float(let value):
            index += 1
            return Expression(position: position, kind: .float(value))
        case .symbol("("):
            index += 1
            if skip(symbol: ")") { return Expression(position: position, kind: .tuple([])) }
            let expression = try parseTuple()
            try expect(symbol: ")")
            return expression
        case .symbol("["):
            index += 1
            return Expression(position: position, kind: .list(try parseElements(until: "]")))
        case .symbol("{"):
            index += 1
            return try parseMapping(position)
        default: throw unexpected("an expression")
        }
    }

    /// One expression, or several separated by commas: a tuple.
    mutating func parseTuple(allowsConditional: Bool = true) throws(TemplateError) -> Expression {
        let first = try parseExpression(allowsConditional: allowsConditional)
        guard isSymbol(",") else { return first }
        var elements = [first]
        while skip(symbol: ",") {
            if endsTuple { break }
            elements.append(try parseExpression(allowsConditional: allowsConditional))
        }
        return Expression(position: first.position, kind: .tuple(elements))
    }

    private var endsTuple: Bool {
        switch token.kind {
        case .tagEnd, .printEnd, .end, .symbol(")"), .symbol("="), .name("in"), .name("recursive"): true
        default: false
        }
    }

    private mutating func parseElements(until closing: String) throws(TemplateError) -> [Expression] {
        var elements: [Expression] = []
        while !skip(symbol: closing) {
            if !elements.isEmpty {
                try expect(symbol: ",")
                if skip(symbol: closing) { break }
            }
            elements.append(try parseExpression())
        }
        return elements
    }

    private mutating func parseMapping(_ position: Int) throws(TemplateError) -> Expression {
        var members: [(key: Expression, value: Expression)] = []
        while !skip(symbol: "}") {
            if !members.isEmpty {
                try expect(symbol: ",")
                if skip(symbol: "}") { break }
            }
            let key = try parseExpression()
            try expect(symbol: ":")
            members.append((key, try parseExpression()))
        }
        return Expression(position: position, kind: .mapping(members))
    }
}
