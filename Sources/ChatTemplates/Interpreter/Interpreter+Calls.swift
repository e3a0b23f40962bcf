// SPDX-License-Identifier: Apache-2.0
// Calls: macros, the few global functions, loops and methods.

extension Interpreter {
    func call(_ callee: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch callee {
        case .macro(let macro): return .string(try invoke(macro, arguments))
        case .function(let function): return try call(function, arguments)
        case .method(let method): return try call(method, arguments)
        case .loop(let loop):
            guard let (syntax, scope) = loop.recursion, let sequence = arguments.positional.first else {
                throw .evaluation(
                    "found a call of 'loop', expected a 'recursive' for statement and a sequence")
            }
            return .string(
                try capture { () throws(TemplateError) in
                    _ = try executeLoop(syntax, over: sequence, level: loop.level + 1, scope)
                })
        case .undefined(let missing): throw missing.error
        default: throw .evaluation("found a call of a \(callee.typeName), expected a macro or a method")
        }
    }

    // MARK: - Macros

    private func invoke(_ macro: Macro, _ arguments: Arguments) throws(TemplateError) -> Text {
        let syntax = macro.syntax
        let scope = Scope(parent: macro.scope)
        var named = arguments.named
        // Each parameter is searched for among all named arguments.
        try budget.spend(syntax.parameters.count * (1 + named.count))
        if let index = named.firstIndex(where: { $0.name.string == "caller" }),
            !syntax.parameters.contains(where: { $0.name == "caller" })
        {
            scope.variables["caller"] = named.remove(at: index).value
        } else {
            scope.variables["caller"] = .undefined(Missing(name: "caller"))
        }
        for (index, parameter) in syntax.parameters.enumerated() {
            if index < arguments.positional.count {
                scope.variables[parameter.name] = arguments.positional[index]
            } else if let place = named.firstIndex(where: { $0.name.string == parameter.name }) {
                scope.variables[parameter.name] = named.remove(at: place).value
            } else if let defaultValue = parameter.defaultValue {
                scope.variables[parameter.name] = try evaluate(defaultValue, scope)
            } else {
                scope.variables[parameter.name] = .undefined(Missing(name: parameter.name))
            }
        }
        try bindSurplus(Array(arguments.positional.dropFirst(syntax.parameters.count)), named, syntax, scope)
        return try capture { () throws(TemplateError) in _ = try execute(syntax.body, scope) }
    }

    private func bindSurplus(
        _ positional: [Value], _ named: [(name: Text, value: Value)], _ syntax: MacroSyntax, _ scope: Scope
    ) throws(TemplateError) {
        guard positional.isEmpty || syntax.takesSurplusPositional else {
            throw .evaluation(
                "found \(syntax.parameters.count + positional.count) arguments for the macro '\(syntax.name)', "
                    + "expected at most \(syntax.parameters.count)")
        }
        guard named.isEmpty || syntax.takesSurplusNamed else {
            throw .evaluation(
                "found the argument '\(named[0].name.string)', unknown to the macro '\(syntax.name)'")
        }
        if syntax.takesSurplusPositional {
            scope.variables["varargs"] = .tuple(try Elements(positional, budget))
        }
        if syntax.takesSurplusNamed {
            let mapping = Mapping()
            for (name, value) in named { try mapping.set(.string(name), value, budget) }
            scope.variables["kwargs"] = .mapping(mapping)
        }
    }

    // MARK: - Functions

    private func call(_ function: Function, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch function {
        case .range: return try makeRange(try arguments.bind(["start", "stop", "step"], for: "range"))
        case .dict: return .mapping(try makeMapping(arguments))
        case .namespace: return try makeNamespace(try makeMapping(arguments))
        case .raiseException:
            let message = try arguments.bind(["message"], for: "raise_exception")[0]
            throw TemplateError(
                .raised, try message?.printed(budget).string ?? "the template refused the conversation")
        case .formatNow:
            guard let format = try arguments.bind(["format"], for: "strftime_now")[0]?.text else {
                throw .evaluation("expected a format for 'strftime_now'")
            }
            // A field of two characters may expand to two dozen.
            try budget.spend(format.cost * 16)
            return .string(Text(now.formatted(format.string), from: format.source))
        }
    }

    private func makeRange(_ bounds: [Value?]) throws(TemplateError) -> Value {
        var integers: [Int] = []
        for case let bound? in bounds {
            if case .undefined(let missing) = bound { throw missing.error }
            guard let integer = bound.integer else {
                throw .evaluation("found a \(bound.typeName) for 'range', expected an integer")
            }
            integers.append(integer)
        }
        guard !integers.isEmpty else { throw .evaluation("found no arguments for 'range', expected 1 to 3") }
        let start = integers.count > 1 ? integers[0] : 0
        let stop = integers.count > 1 ? integers[1] : integers[0]
        let step = integers.count > 2 ? integers[2] : 1
        guard step != 0 else { throw .evaluation("found step 0 for 'range'") }
        // |stop - start| / |step|, rounded up, without overflow.
        let spans = step > 0 ? start < stop : start > stop
        let distance = spans ? (UInt(bitPattern: stop) &- UInt(bitPattern: start)) : 0
        let magnitude = step > 0 ? distance : 0 &- distance
        let count = magnitude / step.magnitude + (magnitude % step.magnitude == 0 ? 0 : 1)
        let limit = budget.limits.rangeCount
        guard count <= UInt(limit) else {
            throw .limit("a range of \(count) elements, expected at most \(limit)")
        }
        return .range(start: start, stop: stop, step: step)
    }

    private func makeMapping(_ arguments: Arguments) throws(TemplateError) -> Mapping {
        guard arguments.positional.count <= 1 else {
            throw .evaluation(
                "found \(arguments.positional.count) arguments for a mapping, expected at most 1")
        }
        let mapping = Mapping()
        switch arguments.positional.first {
        case .mapping(let other)?:
            for (key, value) in zip(other.keys, other.values) { try mapping.set(key, value, budget) }
        case let pairs?:
            for pair in try pairs.elements(budget) {
                let parts = try pair.elements(budget)
                guard parts.count == 2 else {
                    throw .evaluation("found \(parts.count) values, expected a key and a value")
                }
                try mapping.set(parts[0], parts[1], budget)
            }
        case nil: break
        }
        for (name, value) in arguments.named { try mapping.set(.string(name), value, budget) }
        return mapping
    }
}
