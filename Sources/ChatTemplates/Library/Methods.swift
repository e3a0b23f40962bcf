// SPDX-License-Identifier: Apache-2.0
// Methods of strings, lists and mappings, with Python's semantics.

extension Interpreter {
    func call(_ method: Method, _ arguments: Arguments) throws(TemplateError) -> Value {
        try budget.spend()
        switch method.receiver {
        case .string(let text), .markup(let text):
            try budget.spend(bytes: text.cost)
            return try callText(method.name, text, arguments)
        case .mapping(let mapping): return try callMapping(method.name, mapping, arguments)
        case .list(let elements), .tuple(let elements):
            return try callList(method.name, method.receiver, elements, arguments)
        case .loop(let loop): return try callLoop(method.name, loop, arguments)
        default:
            throw .evaluation(
                "found a call of '\(method.name)', expected a method of a string, list or mapping")
        }
    }

    private func callMapping(
        _ name: String, _ mapping: Mapping, _ arguments: Arguments
    ) throws(TemplateError) -> Value {
        switch name {
        case "get":
            let bound = try arguments.bind(["key", "default"], for: name)
            guard let key = bound[0] else { throw .evaluation("expected a key for 'get'") }
            return try mapping.value(for: key, budget) ?? bound[1] ?? .none
        case "keys": return .view(try Elements(mapping.keys, budget))
        case "values": return .view(try Elements(mapping.values, budget))
        case "items": return .view(try mapping.items(budget))
        default: return .mapping(mapping)
        }
    }

    private func callList(
        _ name: String, _ receiver: Value, _ elements: Elements, _ arguments: Arguments
    ) throws(TemplateError) -> Value {
        if name == "copy" { return receiver }
        guard let element = try arguments.bind(["value"], for: name)[0] else {
            throw .evaluation("expected an argument for '\(name)'")
        }
        var count = 0
        for (index, item) in elements.items.enumerated() where try item.equals(element, budget) {
            if name == "index" { return .integer(index) }
            count += 1
        }
        guard name == "count" else { throw .evaluation("found no such element in the \(receiver.typeName)") }
        return .integer(count)
    }

    private func callLoop(_ name: String, _ loop: Loop, _ arguments: Arguments) throws(TemplateError) -> Value
    {
        guard name == "changed" else {
            guard !arguments.positional.isEmpty else {
                throw .evaluation("expected arguments for 'loop.cycle'")
            }
            return arguments.positional[loop.index % arguments.positional.count]
        }
        if let seen = loop.lastSeen, seen.count == arguments.positional.count {
            var isEqual = true
            for (a, b) in zip(seen, arguments.positional) where isEqual {
                isEqual = try a.equals(b, budget)
            }
            if isEqual { return .boolean(false) }
        }
        // A loop that held a reference to itself would never be freed.
        loop.lastSeen = try Elements(arguments.positional, budget).items.filter { $0.depth == 0 }
        return .boolean(true)
    }
}
