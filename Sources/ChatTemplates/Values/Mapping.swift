// SPDX-License-Identifier: Apache-2.0
// Mappings with keys in insertion order. Keys are strings, numbers, Booleans or None; equal numbers
// of different types are one key, as in Python.

import JSON

/// A key of a mapping.
enum MappingKey: Hashable {
    case none
    case integer(Int)
    case float(Double)
    case string(String)

    /// The key for a value; a text is counted against the budget, since looking it up reads all of it.
    ///
    /// - Throws: If the value cannot be a key.
    init(_ value: Value, _ budget: Budget) throws(TemplateError) {
        switch value {
        case .none: self = .none
        case .boolean(let value): self = .integer(value ? 1 : 0)
        case .integer(let value): self = .integer(value)
        case .float(let value): self = Int(exactly: value).map { .integer($0) } ?? .float(value)
        case .string(let text), .markup(let text):
            try budget.spend(bytes: text.byteCount)
            self = .string(text.string)
        default: throw .evaluation("found a \(value.typeName) as a key, expected a string or a number")
        }
    }

    static func == (left: MappingKey, right: MappingKey) -> Bool {
        switch (left, right) {
        case (.none, .none): true
        case (.integer(let a), .integer(let b)): a == b
        case (.float(let a), .float(let b)): a == b
        case (.string(let a), .string(let b)): a.hasSameBytes(as: b)
        default: false
        }
    }

    func hash(into hasher: inout Hasher) {
        switch self {
        case .none: hasher.combine(0)
        case .integer(let value): hasher.combine(value)
        case .float(let value): hasher.combine(value)
        case .string(var text): text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }
}

/// A mapping: filled once, then shared and immutable.
final class Mapping {
    private(set) var keys: [Value] = []
    private(set) var values: [Value] = []
    private(set) var depth = 1
    private var indices: [MappingKey: Int] = [:]

    var count: Int { keys.count }

    init() {}

    subscript(key: MappingKey) -> Value? { indices[key].map { values[$0] } }

    /// The value for a name, whose cost the caller accounts for.
    subscript(key: String) -> Value? { self[.string(key)] }

    /// The value for a key, or nil if there is none.
    ///
    /// - Throws: If the key is a list or a mapping, which are not hashable in Python.
    func value(for key: Value, _ budget: Budget) throws(TemplateError) -> Value? {
        switch key {
        case .undefined, .tuple, .range, .namespace, .macro, .function, .method, .loop, .iterator: nil
        default: self[try MappingKey(key, budget)]
        }
    }

    /// Sets a key while the mapping is built; an existing key keeps its position.
    func set(_ key: Value, _ value: Value, _ budget: Budget) throws(TemplateError) {
        try budget.spend(elements: 2)
        guard value.depth < TemplateLimits.valueDepth else {
            throw .limit("more than \(TemplateLimits.valueDepth) nested lists and mappings")
        }
        depth = max(depth, value.depth + 1)
        let found = try MappingKey(key, budget)
        if let index = indices[found] {
            values[index] = value
        } else {
            indices[found] = keys.count
            keys.append(key)
            values.append(value)
        }
    }

    /// Releases the contents of the mapping.
    func removeAll() {
        keys = []
        values = []
        indices = [:]
    }

    /// The pairs of keys and values, as tuples.
    func items(_ budget: Budget) throws(TemplateError) -> Elements {
        var pairs: [Value] = []
        pairs.reserveCapacity(count)
        for (key, value) in zip(keys, values) { pairs.append(.tuple(try Elements([key, value], budget))) }
        return try Elements(pairs, budget)
    }
}
