// SPDX-License-Identifier: Apache-2.0
// Names and their values. Bodies of loops, macros and blocks have scopes of their own: what is set
// there does not leak out, which is why templates use namespaces.

/// A table of names inside another.
final class Scope {
    var variables: [String: Value]
    let parent: Scope?
    /// Scopes around this one: tables that a name is looked up in.
    let depth: Int

    init(_ variables: [String: Value] = [:], parent: Scope? = nil) {
        self.variables = variables
        self.parent = parent
        depth = parent.map { $0.depth + 1 } ?? 0
    }

    /// The value of a name in this scope or one around it.
    func value(of name: String) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.variables[name] { return value }
            scope = current.parent
        }
        return nil
    }
}

/// The variable `loop` inside a for statement.
final class Loop {
    let items: [Value]
    let depth: Int
    /// The place of the current item, from 0.
    var index = 0
    /// Loops of the same recursive for statement around this one.
    let level: Int
    /// What `loop.changed` saw last.
    var lastSeen: [Value]?
    /// The statement and its surroundings, for `loop(…)` in a recursive one.
    let recursion: (syntax: LoopSyntax, scope: Scope)?

    init(_ items: Elements, level: Int, recursion: (syntax: LoopSyntax, scope: Scope)?) {
        self.items = items.items
        depth = items.depth
        self.level = level
        self.recursion = recursion
    }

    func attribute(_ name: String) -> Value? {
        switch name {
        case "index": .integer(index + 1)
        case "index0": .integer(index)
        case "revindex": .integer(items.count - index)
        case "revindex0": .integer(items.count - index - 1)
        case "first": .boolean(index == 0)
        case "last": .boolean(index == items.count - 1)
        case "length": .integer(items.count)
        case "depth": .integer(level + 1)
        case "depth0": .integer(level)
        case "previtem":
            index > 0 ? items[index - 1] : .undefined(Missing(name: "previtem", owner: "loop"))
        case "nextitem":
            index + 1 < items.count ? items[index + 1] : .undefined(Missing(name: "nextitem", owner: "loop"))
        case "cycle", "changed": .method(Method(.loop(self), name))
        default: nil
        }
    }
}

/// What a call hands over, evaluated.
struct Arguments {
    var positional: [Value] = []
    var named: [(name: Text, value: Value)] = []

    /// The values for parameters in their order, nil where none was given.
    ///
    /// - Throws: If there are too many, or one for no parameter.
    func bind(_ parameters: [String], for callee: String) throws(TemplateError) -> [Value?] {
        guard positional.count <= parameters.count else {
            throw .evaluation(
                "found \(positional.count) arguments for '\(callee)', expected at most \(parameters.count)")
        }
        var values: [Value?] = positional.map { $0 }
        values += [Value?](repeating: nil, count: parameters.count - positional.count)
        for (name, value) in named.map({ ($0.name.string, $0.value) }) {
            guard let index = parameters.firstIndex(of: name), values[index] == nil else {
                throw .evaluation(
                    "found the argument '\(name)' for '\(callee)', expected one of \(parameters)")
            }
            values[index] = value
        }
        return values
    }

    /// The arguments after the first positional ones.
    func dropping(_ count: Int) -> Arguments {
        Arguments(positional: Array(positional.dropFirst(count)), named: named)
    }
}
