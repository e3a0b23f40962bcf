// SPDX-License-Identifier: Apache-2.0
// Postfix operators: attributes, subscripts, calls, filters and tests.

extension Parser {
    mutating func parsePostfix(_ first: Expression) throws(TemplateError) -> Expression {
        var expression = first
        var count = 0
        while true {
            if isSymbol(".") || isSymbol("[") {
                expression = try parseSubscript(expression)
            } else if isSymbol("(") {
                expression = try parseCall(expression)
            } else {
                return expression
            }
            count += 1
            try checkChain(count)
        }
    }

    /// Filters and tests in the order of their appearance; a call may follow them.
    mutating func parseFilters(_ first: Expression) throws(TemplateError) -> Expression {
        var expression = first
        var count = 0
        while true {
            if isSymbol("|") {
                expression = try parseFilter(expression)
            } else if isName("is") {
                expression = try parseTest(expression)
            } else if isSymbol("(") {
                expression = try parseCall(expression)
            } else {
                return expression
            }
            count += 1
            try checkChain(count)
        }
    }

    /// `| name(arguments)`; the operand is nil for the body of a block.
    mutating func parseFilter(_ operand: Expression?) throws(TemplateError) -> Expression {
        try expect(symbol: "|")
        return try parseFilterName(operand)
    }

    mutating func parseFilterName(_ operand: Expression?) throws(TemplateError) -> Expression {
        let position = token.position
        let name = try takeName("the name of a filter")
        let arguments = isSymbol("(") ? try parseArguments() : CallArguments()
        return Expression(position: position, kind: .filter(operand, name, arguments))
    }

    private mutating func parseTest(_ operand: Expression) throws(TemplateError) -> Expression {
        index += 1
        let isNegated = skip(name: "not")
        let position = token.position
        let name = try takeName("the name of a test")
        var arguments = CallArguments()
        if isSymbol("(") {
            arguments = try parseArguments()
        } else if startsTestOperand {
            if isName("is") { throw unexpected("one test: tests with 'is' cannot be chained") }
            try enter()
            defer { leave() }
            arguments.positional = [try parsePostfix(try parsePrimary())]
        }
        let test = Expression(position: position, kind: .test(operand, name, arguments))
        return isNegated ? Expression(position: position, kind: .not(test)) : test
    }

    private var startsTestOperand: Bool {
        switch token.kind {
        case .name(let name): !["else", "or", "and"].contains(name)
        case .string, .integer, .float, .symbol("["), .symbol("{"): true
        default: false
        }
    }

    private mutating func parseSubscript(_ operand: Expression) throws(TemplateError) -> Expression {
        let position = token.position
        if skip(symbol: ".") {
            switch token.kind {
            case .name(let name):
                index += 1
                return Expression(position: position, kind: .attribute(operand, name))
            case .integer(let value):
                index += 1
                let key = Expression(position: position, kind: .integer(value))
                return Expression(position: position, kind: .item(operand, key))
            default: throw unexpected("a name or a number after '.'")
            }
        }
        try expect(symbol: "[")
        if isSymbol(":") { return try parseSlice(operand, start: nil, position) }
        let first = try parseExpression()
        if isSymbol(":") { return try parseSlice(operand, start: first, position) }
        guard isSymbol(",") else {
            try expect(symbol: "]")
            return Expression(position: position, kind: .item(operand, first))
        }
        var elements = [first]
        while skip(symbol: ",") { elements.append(try parseExpression()) }
        try expect(symbol: "]")
        let key = Expression(position: position, kind: .tuple(elements))
        return Expression(position: position, kind: .item(operand, key))
    }

    /// Continues at the first colon of `start:stop:step]`.
    private mutating func parseSlice(
        _ operand: Expression, start: Expression?, _ position: Int
    ) throws(TemplateError) -> Expression {
        try expect(symbol: ":")
        var stop: Expression?
        var step: Expression?
        if !isSymbol("]"), !isSymbol(":") { stop = try parseExpression() }
        if skip(symbol: ":"), !isSymbol("]") { step = try parseExpression() }
        try expect(symbol: "]")
        return Expression(position: position, kind: .slice(operand, start: start, stop: stop, step: step))
    }

    private mutating func parseCall(_ callee: Expression) throws(TemplateError) -> Expression {
        let position = token.position
        return Expression(position: position, kind: .call(callee, try parseArguments()))
    }

    mutating func parseArguments() throws(TemplateError) -> CallArguments {
        try expect(symbol: "(")
        var arguments = CallArguments()
        var isFirst = true
        while !skip(symbol: ")") {
            if !isFirst {
                try expect(symbol: ",")
                if skip(symbol: ")") { break }
            }
            isFirst = false
            if skip(symbol: "**") {
                guard arguments.spreadNamed == nil else { throw unexpected("one '**' argument") }
                arguments.spreadNamed = try parseExpression()
            } else if skip(symbol: "*") {
                guard arguments.spread == nil, arguments.spreadNamed == nil else {
                    throw unexpected("one '*' argument before '**'")
                }
                arguments.spread = try parseExpression()
            } else if case .name(let name) = token.kind, tokens[index + 1].kind == .symbol("=") {
                index += 2
                arguments.named.append((name, try parseExpression()))
            } else {
                guard arguments.named.isEmpty, arguments.spread == nil, arguments.spreadNamed == nil else {
                    throw unexpected("positional arguments before named ones")
                }
                arguments.positional.append(try parseExpression())
            }
        }
        return arguments
    }
}
