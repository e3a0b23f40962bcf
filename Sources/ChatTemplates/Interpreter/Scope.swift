// SPDX-License-Identifier: Apache-2.0
// Names and their values. Bodies of loops, macros and blocks have their own scopes: assignments there are not visible outside,
// which is why templates use namespaces.

/// A table of names nested in another.
final class Scope {
    var variables: [String: Value]
    let parent: Scope?
    /// Number of enclosing scopes: the tables in which a name is looked up.
    let depth: Int

    init(_ variables: [String: Value] = [:], parent: Scope? = nil) {
        self.variables = variables
        self.parent = parent
        depth = parent.map { $0.depth + 1 } ?? 0
    }

    /// The value of a name in this scope or an enclosing one.
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
    /// The index of the current item, from 0.
    var index = 0
    /// Number of enclosing loops of the same recursive for statement.
    let level: Int
    /// The last arguments of `loop.changed`.
    var lastSeen: [Value]?
    /// The statement and its enclosing scope, for `loop(…)` in a recursive one.
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

/// The evaluated arguments of a call.
struct Arguments {
    var positional: [Value] = []
    var named: [(name: Text, value: Value)] = []

    /// The values of the parameters in order; nil where none was given.
    ///
    /// - Throws: If there are too many, or one matches no parameter.
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
