// SPDX-License-Identifier: Apache-2.0
// Template values, with Python's semantics. Lists and mappings are immutable, as in Jinja's immutable sandbox; only namespaces
// can change.

/// A value during rendering.
enum Value {
    /// The result of a missing name, attribute or element: prints as nothing, refuses most operations.
    indirect case undefined(Missing)
    case none
    case boolean(Bool)
    case integer(Int)
    case float(Double)
    case string(Text)
    /// A string marked by `safe`: `+` escapes the other operand.
    case markup(Text)
    case list(Elements)
    case tuple(Elements)
    case mapping(Mapping)
    indirect case range(start: Int, stop: Int, step: Int)
    /// `mapping.keys()`, `.values()`, `.items()`: has a length, no subscripts.
    case view(Elements)
    /// The result of lazy filters: can be iterated over once.
    case iterator(ValueIterator)
    case namespace(Namespace)
    case loop(Loop)
    case macro(Macro)
    case method(Method)
    case function(Function)
}

/// Why a value is undefined.
struct Missing {
    let name: String
    /// The type of the value that lacks the attribute; nil for a variable.
    var owner: String?
    /// Whether the sandbox withholds an attribute that exists in Python.
    var isForbidden = false

    /// The message of the error raised when it is used.
    var explanation: String {
        if isForbidden { return "access to '\(name)' of a \(owner ?? "value") is not allowed in templates" }
        guard let owner else { return name.isEmpty ? "found an undefined value" : "'\(name)' is undefined" }
        return "a \(owner) has no attribute or element '\(name)'"
    }

    var error: TemplateError { .evaluation(explanation) }
}

/// The elements of a list or tuple.
///
/// Their depth is stored so that nesting can be limited: comparing, printing and freeing a value recurse over it.
struct Elements {
    let items: [Value]
    let depth: Int

    init(_ items: [Value], _ budget: Budget) throws(TemplateError) {
        try budget.spend(elements: items.count)
        var depth = 0
        for item in items { depth = max(depth, item.depth) }
        guard depth < TemplateLimits.valueDepth else {
            throw .limit("more than \(TemplateLimits.valueDepth) nested lists and mappings")
        }
        self.items = items
        self.depth = depth + 1
    }
}

final class ValueIterator {
    private let elements: Elements
    private var position = 0
    var depth: Int { elements.depth }

    init(_ elements: Elements) { self.elements = elements }

    func next() -> Value? {
        guard position < elements.items.count else { return nil }
        position += 1
        return elements.items[position - 1]
    }

    /// Returns the remaining elements; afterwards none remain.
    func drain() -> [Value] {
        defer { position = elements.items.count }
        return Array(elements.items[position...])
    }
}

/// The only kind of value that templates can change.
final class Namespace {
    let attributes: Mapping
    init(_ attributes: Mapping) { self.attributes = attributes }
}

/// A method of a string, list or mapping together with its receiver.
final class Method {
    let receiver: Value
    let name: String
    let depth: Int

    init(_ receiver: Value, _ name: String) {
        self.receiver = receiver
        self.name = name
        depth = receiver.depth + 1
    }
}

/// A macro and the scope that it was defined in.
final class Macro {
    let syntax: MacroSyntax
    let scope: Scope

    init(_ syntax: MacroSyntax, _ scope: Scope) {
        self.syntax = syntax
        self.scope = scope
    }
}

/// The functions available everywhere.
enum Function: String {
    case range, dict, namespace
    case raiseException = "raise_exception"
    case formatNow = "strftime_now"
}

// MARK: - Properties

extension Value {
    /// The nesting depth of lists and mappings in this value.
    var depth: Int {
        switch self {
        case .list(let elements), .tuple(let elements), .view(let elements): elements.depth
        case .mapping(let mapping): mapping.depth
        case .iterator(let iterator): iterator.depth
        case .method(let method): method.depth
        case .loop(let loop): loop.depth
        default: 0
        }
    }

    /// The type's name in Python, for messages.
    var typeName: String {
        switch self {
        case .undefined: "undefined value"
        case .none: "None"
        case .boolean: "bool"
        case .integer: "int"
        case .float: "float"
        case .string, .markup: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .mapping: "dict"
        case .range: "range"
        case .view: "view of a dict"
        case .iterator: "generator"
        case .namespace: "namespace"
        case .loop: "loop"
        case .macro: "macro"
        case .method: "method"
        case .function: "function"
        }
    }

    /// The text of a string; nil for any other value.
    var text: Text? {
        switch self {
        case .string(let text), .markup(let text): text
        default: nil
        }
    }

    /// The same without its origin.
    var string: String? { text?.string }

    /// The value of an integer or, as in Python, of a Boolean.
    var integer: Int? {
        switch self {
        case .integer(let value): value
        case .boolean(let value): value ? 1 : 0
        default: nil
        }
    }

    /// The value of any number.
    var number: Double? {
        if case .float(let value) = self { return value }
        return integer.map(Double.init)
    }

    var isUndefined: Bool {
        guard case .undefined = self else { return false }
        return true
    }

    var isNone: Bool {
        guard case .none = self else { return false }
        return true
    }

    /// Python's truth value: empty, zero, None and undefined are false.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .boolean(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let text), .markup(let text): !text.isEmpty
        case .list(let elements), .tuple(let elements), .view(let elements): !elements.items.isEmpty
        case .mapping(let mapping): mapping.count > 0
        case .range(let start, let stop, let step): step > 0 ? start < stop : start > stop
        case .iterator, .namespace, .loop, .macro, .method, .function: true
        }
    }
}
