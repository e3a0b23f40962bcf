// SPDX-License-Identifier: Apache-2.0
// Walks the syntax tree: statements write to the output, expressions return values. Every node consumes budget and counts towards
// the depth, so no template runs for long or exhausts the stack.

final class Interpreter {
    let budget: Budget
    let now: TemplateDate
    /// The output so far; replaced while a macro or block captures its own.
    private var output = Text()
    private var depth = 0
    /// Scopes and namespaces that values may refer to.
    ///
    /// They can refer to each other in cycles and in long chains, so they are emptied one at a time at the end.
    private var capturedScopes: [Scope] = []
    private var namespaces: [Namespace] = []

    init(limits: TemplateLimits, now: TemplateDate) {
        budget = Budget(limits)
        self.now = now
    }

    /// Renders a template with the given variables.
    func render(_ statements: [Statement], _ variables: [String: Value]) throws(TemplateError) -> Text {
        defer {
            for scope in capturedScopes { scope.variables = [:] }
            for namespace in namespaces { namespace.attributes.removeAll() }
        }
        let root = Scope(parent: Scope(variables))
        _ = try execute(statements, root)
        return output
    }

    // MARK: - Bookkeeping

    /// Counts a level of nesting while the body runs.
    func descend<Result>(
        _ position: Int, _ body: () throws(TemplateError) -> Result
    ) throws(TemplateError) -> Result {
        depth += 1
        defer { depth -= 1 }
        do throws(TemplateError) {
            try budget.spend()
            guard depth <= budget.limits.depth else {
                throw .limit("more than \(budget.limits.depth) nested operations")
            }
            return try body()
        } catch {
            // The innermost position is where the error occurred.
            if error.position >= 0 { throw error }
            var placed = error
            placed.position = position
            throw placed
        }
    }

    /// Runs a body and returns its output instead of writing it.
    func capture(_ body: () throws(TemplateError) -> Void) throws(TemplateError) -> Text {
        let outer = output
        output = Text()
        defer { output = outer }
        try body()
        return output
    }

    func write(_ text: Text) throws(TemplateError) {
        try budget.spend(bytes: text.cost)
        output.append(text)
        try budget.check(byteCount: output.byteCount)
    }

    /// The memory of a scope or namespace that is kept until rendering ends, in list elements.
    private static let keptElementCount = 8

    func makeNamespace(_ attributes: Mapping) throws(TemplateError) -> Value {
        try budget.spend(elements: Self.keptElementCount)
        let namespace = Namespace(attributes)
        namespaces.append(namespace)
        return .namespace(namespace)
    }

    func makeMacro(_ syntax: MacroSyntax, _ scope: Scope) throws(TemplateError) -> Value {
        // The scope will hold the macro and the macro holds the scope: a reference cycle.
        try capture(scope)
        return .macro(Macro(syntax, scope))
    }

    func capture(_ scope: Scope) throws(TemplateError) {
        try budget.spend(elements: Self.keptElementCount)
        capturedScopes.append(scope)
    }
}
