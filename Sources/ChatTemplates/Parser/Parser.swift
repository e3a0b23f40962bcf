// SPDX-License-Identifier: Apache-2.0
// A recursive descent parser over tokens. It limits nesting and the length of chains, so that no template can exhaust the stack
// when the tree is traversed.

struct Parser {
    let tokens: [Token]
    var index = 0
    private var depth = 0
    /// Number of loops that enclose the statement in its macro: outside any, `break` is an error.
    var loopDepth = 0
    /// Whether the innermost macro so far refers to `varargs` or `kwargs`.
    var namesVarargs = false
    var namesKwargs = false

    /// - Precondition: The last token is `.end`.
    init(tokens: [Token]) {
        precondition(tokens.last?.kind == .end, "Parser: the last token must be the end")
        self.tokens = tokens
    }

    /// Reads the whole template.
    mutating func parseTemplate() throws(TemplateError) -> [Statement] {
        try parseStatements(until: [])
    }

    // MARK: - Tokens

    var token: Token { tokens[index] }

    func isName(_ name: String) -> Bool { token.kind == .name(name) }

    func isSymbol(_ symbol: String) -> Bool { token.kind == .symbol(symbol) }

    mutating func skip(name: String) -> Bool {
        guard isName(name) else { return false }
        index += 1
        return true
    }

    mutating func skip(symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        index += 1
        return true
    }

    mutating func expect(symbol: String) throws(TemplateError) {
        guard skip(symbol: symbol) else { throw unexpected("'\(symbol)'") }
    }

    mutating func expect(name: String) throws(TemplateError) {
        guard skip(name: name) else { throw unexpected("'\(name)'") }
    }

    mutating func expect(_ kind: Token.Kind, _ shown: String) throws(TemplateError) {
        guard token.kind == kind else { throw unexpected(shown) }
        index += 1
    }

    mutating func takeName(_ expected: String) throws(TemplateError) -> String {
        guard case .name(let name) = token.kind else { throw unexpected(expected) }
        index += 1
        return name
    }

    func unexpected(_ expected: String) -> TemplateError {
        TemplateError(.syntax, "found \(token.shown), expected \(expected)", position: token.position)
    }

    // MARK: - Limits

    mutating func enter() throws(TemplateError) {
        depth += 1
        guard depth <= TemplateLimits.syntaxDepth else {
            throw TemplateError(
                .limit, "more than \(TemplateLimits.syntaxDepth) levels of nesting", position: token.position)
        }
    }

    mutating func leave() { depth -= 1 }

    /// The links of a chain nest in the tree: `a.b.c` is `(a.b).c`.
    func checkChain(_ count: Int) throws(TemplateError) {
        guard count <= TemplateLimits.chainLength else {
            throw TemplateError(
                .limit, "a chain of more than \(TemplateLimits.chainLength) operations",
                position: token.position)
        }
    }
}
