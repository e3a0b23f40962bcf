// SPDX-License-Identifier: Apache-2.0
// Executes statements.

/// How a statement ended.
enum Flow {
    case normal, breakLoop, continueLoop
}

extension Interpreter {
    func execute(_ statements: [Statement], _ scope: Scope) throws(TemplateError) -> Flow {
        for statement in statements {
            let flow = try descend(statement.position) { () throws(TemplateError) -> Flow in
                try execute(statement.kind, scope)
            }
            guard flow == .normal else { return flow }
        }
        return .normal
    }

    private func execute(_ kind: Statement.Kind, _ scope: Scope) throws(TemplateError) -> Flow {
        switch kind {
        case .text(let text): try write(Text(text))
        case .print(let expression): try write(try evaluate(expression, scope).printed(budget))
        case .set(let target, let expression): try assign(try evaluate(expression, scope), to: target, scope)
        case .setBlock(let target, let filter, let body):
            return try executeSetBlock(target, filter, body, scope)
        case .conditional(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition, scope).isTrue {
                return try execute(branch.body, scope)
            }
            return try execute(otherwise, scope)
        case .loop(let syntax):
            let sequence = try evaluate(syntax.sequence, scope)
            return try executeLoop(syntax, over: sequence, level: 0, scope)
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        case .macro(let syntax): scope.variables[syntax.name] = try makeMacro(syntax, scope)
        case .call(let call, let caller): try executeCallBlock(call, caller, scope)
        case .filterBlock(let filter, let body):
            let inner = Scope(parent: scope)
            var flow = Flow.normal
            let text = try capture { () throws(TemplateError) in flow = try execute(body, inner) }
            try write(try evaluate(filter, inner, filtered: .string(text)).printed(budget))
            return flow
        case .with(let assignments, let body):
            let inner = Scope(parent: scope)
            for (target, value) in assignments { try assign(try evaluate(value, scope), to: target, inner) }
            return try execute(body, inner)
        case .scope(let body): return try execute(body, Scope(parent: scope))
        }
        return .normal
    }

    private func executeSetBlock(
        _ target: AssignmentTarget, _ filter: Expression?, _ body: [Statement], _ scope: Scope
    ) throws(TemplateError) -> Flow {
        let inner = Scope(parent: scope)
        var flow = Flow.normal
        let text = try capture { () throws(TemplateError) in flow = try execute(body, inner) }
        guard flow == .normal else { return flow }
        let value = try filter.map { (filter) throws(TemplateError) in
            try evaluate(filter, inner, filtered: .string(text))
        }
        try assign(value ?? .string(text), to: target, scope)
        return .normal
    }

    private func executeCallBlock(
        _ call: Expression, _ caller: MacroSyntax, _ scope: Scope
    ) throws(TemplateError) {
        guard case .call(let callee, let syntax) = call.kind else { return }
        var arguments = try evaluate(syntax, scope)
        arguments.named.append((Text("caller"), try makeMacro(caller, scope)))
        let value = try evaluate(callee, scope)
        try write(try self.call(value, arguments).printed(budget))
    }

    // MARK: - Assignment

    func assign(_ value: Value, to target: AssignmentTarget, _ scope: Scope) throws(TemplateError) {
        switch target {
        case .name(let name): scope.variables[name] = value
        case .attribute(let name, let attribute):
            guard case .namespace(let namespace)? = scope.value(of: name) else {
                throw .evaluation(
                    "found an assignment to '\(name).\(attribute)', expected '\(name)' to be a namespace")
            }
            try namespace.attributes.set(.string(Text(attribute)), value, budget)
        case .tuple(let targets):
            let values = try value.elements(budget)
            guard values.count == targets.count else {
                throw .evaluation("found \(values.count) values to assign, expected \(targets.count)")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target, scope) }
        }
    }

    // MARK: - Loops

    func executeLoop(
        _ syntax: LoopSyntax, over sequence: Value, level: Int, _ scope: Scope
    ) throws(TemplateError) -> Flow {
        var items = try sequence.elements(budget)
        if let condition = syntax.condition {
            var kept: [Value] = []
            for item in items {
                let inner = Scope(parent: scope)
                try assign(item, to: syntax.target, inner)
                if try evaluate(condition, inner).isTrue { kept.append(item) }
            }
            items = kept
        }
        if syntax.isRecursive { try capture(scope) }
        let loop = Loop(
            try Elements(items, budget), level: level, recursion: syntax.isRecursive ? (syntax, scope) : nil)
        var hasFinished = false
        for (index, item) in items.enumerated() {
            try budget.spend()
            loop.index = index
            let inner = Scope(["loop": .loop(loop)], parent: scope)
            try assign(item, to: syntax.target, inner)
            let flow = try execute(syntax.body, inner)
            if flow == .breakLoop { break }
            if flow == .normal { hasFinished = true }
        }
        // As in Jinja, iterations ended by `break` or `continue` do not count.
        return hasFinished ? .normal : try execute(syntax.otherwise, Scope(parent: scope))
    }
}
