// SPDX-License-Identifier: Apache-2.0
// Statements. Those that access other files (include, import, extends) are not supported.

extension Parser {
    /// Reads statements up to a tag that starts with one of the names; stops at that name.
    ///
    /// With no names, reads to the end of the template.
    mutating func parseStatements(until endings: [String]) throws(TemplateError) -> [Statement] {
        try enter()
        defer { leave() }
        var statements: [Statement] = []
        while true {
            let position = token.position
            switch token.kind {
            case .data(let text):
                index += 1
                statements.append(Statement(position: position, kind: .text(text)))
            case .printBegin:
                index += 1
                let expression = try parseTuple()
                try expect(.printEnd, "'}}'")
                statements.append(Statement(position: position, kind: .print(expression)))
            case .tagBegin:
                index += 1
                if case .name(let name) = token.kind, endings.contains(name) { return statements }
                statements.append(Statement(position: position, kind: try parseStatement(endings)))
                try expect(.tagEnd, "'%}'")
            default:
                guard endings.isEmpty, token.kind == .end else {
                    throw unexpected("'{% \(endings.last ?? "") %}'")
                }
                return statements
            }
        }
    }

    /// Reads a statement from its name up to, not including, its last `%}`.
    private mutating func parseStatement(_ endings: [String]) throws(TemplateError) -> Statement.Kind {
        let nameToken = token
        let name = try takeName("the name of a statement")
        switch name {
        case "set": return try parseSet()
        case "if": return try parseConditional()
        case "for": return .loop(try parseLoop())
        case "macro":
            return .macro(try parseMacro(name: try takeName("the name of the macro"), end: "endmacro"))
        case "call": return try parseCallBlock()
        case "filter":
            var filter = try parseFilterName(nil)
            while isSymbol("|") { filter = try parseFilter(filter) }
            return .filterBlock(filter, body: try parseBody(end: "endfilter"))
        case "with": return try parseWith()
        case "generation": return .scope(try parseBody(end: "endgeneration"))
        case "break", "continue":
            guard loopDepth > 0 else {
                throw TemplateError(
                    .syntax, "found '\(name)' outside a loop", position: nameToken.position)
            }
            return name == "break" ? .breakLoop : .continueLoop
        default:
            let expected = endings.last.map { "a statement or '{% \($0) %}'" } ?? "a statement"
            throw TemplateError(
                .syntax, "found '\(name)', expected \(expected)", position: nameToken.position)
        }
    }

    /// Reads `%}`, a body and the name that ends it.
    private mutating func parseBody(end: String) throws(TemplateError) -> [Statement] {
        try expect(.tagEnd, "'%}'")
        let body = try parseStatements(until: [end])
        try expect(name: end)
        return body
    }

    // MARK: - Assignment

    private mutating func parseSet() throws(TemplateError) -> Statement.Kind {
        let target = try parseTarget(allowsAttributes: true)
        if skip(symbol: "=") { return .set(target, try parseTuple()) }
        var filter: Expression?
        while isSymbol("|") { filter = try parseFilter(filter) }
        return .setBlock(target, filter: filter, body: try parseBody(end: "endset"))
    }

    private mutating func parseTarget(allowsAttributes: Bool) throws(TemplateError) -> AssignmentTarget {
        let first = try parseSingleTarget(allowsAttributes: allowsAttributes)
        guard isSymbol(",") else { return first }
        var targets = [first]
        while skip(symbol: ",") {
            if isSymbol("=") || isName("in") || token.kind == .tagEnd || isSymbol(")") { break }
            targets.append(try parseSingleTarget(allowsAttributes: allowsAttributes))
        }
        return .tuple(targets)
    }

    private mutating func parseSingleTarget(
        allowsAttributes: Bool
    ) throws(TemplateError) -> AssignmentTarget {
        if skip(symbol: "(") {
            try enter()
            defer { leave() }
            let target = try parseTarget(allowsAttributes: allowsAttributes)
            try expect(symbol: ")")
            return target
        }
        if ["true", "false", "none", "True", "False", "None"].contains(where: isName) {
            throw unexpected("a name that can be assigned to")
        }
        let name = try takeName("a name to assign to")
        if allowsAttributes, skip(symbol: ".") {
            return .attribute(namespace: name, name: try takeName("the name of an attribute"))
        }
        return .name(name)
    }

    // MARK: - Blocks

    private mutating func parseConditional() throws(TemplateError) -> Statement.Kind {
        var branches: [(condition: Expression, body: [Statement])] = []
        repeat {
            let condition = try parseTuple(allowsConditional: false)
            try expect(.tagEnd, "'%}'")
            branches.append((condition, try parseStatements(until: ["elif", "else", "endif"])))
        } while skip(name: "elif")
        var otherwise: [Statement] = []
        if skip(name: "else") {
            otherwise = try parseBody(end: "endif")
        } else {
            try expect(name: "endif")
        }
        return .conditional(branches, otherwise: otherwise)
    }

    private mutating func parseLoop() throws(TemplateError) -> LoopSyntax {
        let target = try parseTarget(allowsAttributes: false)
        try expect(name: "in")
        let sequence = try parseTuple(allowsConditional: false)
        let condition: Expression? = skip(name: "if") ? try parseExpression() : nil
        let isRecursive = skip(name: "recursive")
        try expect(.tagEnd, "'%}'")
        loopDepth += 1
        let body = try parseStatements(until: ["else", "endfor"])
        loopDepth -= 1
        var otherwise: [Statement] = []
        if skip(name: "else") {
            otherwise = try parseBody(end: "endfor")
        } else {
            try expect(name: "endfor")
        }
        return LoopSyntax(
            target: target, sequence: sequence, condition: condition, isRecursive: isRecursive, body: body,
            otherwise: otherwise)
    }

    private mutating func parseWith() throws(TemplateError) -> Statement.Kind {
        var assignments: [(target: AssignmentTarget, value: Expression)] = []
        while token.kind != .tagEnd {
            if !assignments.isEmpty { try expect(symbol: ",") }
            let target = try parseSingleTarget(allowsAttributes: false)
            try expect(symbol: "=")
            assignments.append((target, try parseExpression()))
        }
        return .with(assignments, body: try parseBody(end: "endwith"))
    }

    /// Reads the parameters and the body of a macro or of a call block.
    private mutating func parseMacro(name: String, end: String) throws(TemplateError) -> MacroSyntax {
        try parseMacroBody(name: name, parameters: try parseParameters(), end: end)
    }

    private mutating func parseMacroBody(
        name: String, parameters: [(name: String, defaultValue: Expression?)], end: String
    ) throws(TemplateError) -> MacroSyntax {
        let outer = (loopDepth, namesVarargs, namesKwargs)
        (loopDepth, namesVarargs, namesKwargs) = (0, false, false)
        let body = try parseBody(end: end)
        let macro = MacroSyntax(
            name: name, parameters: parameters, body: body, takesSurplusPositional: namesVarargs,
            takesSurplusNamed: namesKwargs)
        (loopDepth, namesVarargs, namesKwargs) = outer
        return macro
    }

    private mutating func parseParameters() throws(TemplateError) -> [(
        name: String, defaultValue: Expression?
    )] {
        try expect(symbol: "(")
        var parameters: [(name: String, defaultValue: Expression?)] = []
        while !skip(symbol: ")") {
            if !parameters.isEmpty { try expect(symbol: ",") }
            let name = try takeName("the name of a parameter")
            if skip(symbol: "=") {
                parameters.append((name, try parseExpression()))
            } else {
                guard parameters.last?.defaultValue == nil else {
                    throw unexpected("'=': parameters after one with a default need one")
                }
                parameters.append((name, nil))
            }
        }
        return parameters
    }

    private mutating func parseCallBlock() throws(TemplateError) -> Statement.Kind {
        let parameters = isSymbol("(") ? try parseParameters() : []
        let callee = try parseExpression()
        guard case .call = callee.kind else { throw unexpected("a call before the end of the tag") }
        return .call(
            callee, caller: try parseMacroBody(name: "caller", parameters: parameters, end: "endcall"))
    }
}
