// SPDX-License-Identifier: Apache-2.0
// Equality, order and membership as in Python. Lists that share parts can be exponentially larger than their memory, so every
// step consumes budget.

import JSON

extension Value {
    func equals(_ other: Value, _ budget: Budget) throws(TemplateError) -> Bool {
        try budget.spend()
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)), (.view(let a), .view(let b)):
            return try Self.equal(a.items, b.items, budget)
        case (.mapping(let a), .mapping(let b)):
            guard a.count == b.count else { return false }
            for index in 0..<a.count {
                guard let value = b[try MappingKey(a.keys[index], budget)],
                    try a.values[index].equals(value, budget)
                else { return false }
            }
            return true
        case (.range, .range): return try Self.equal(elements(budget), other.elements(budget), budget)
        case (.namespace(let a), .namespace(let b)): return a === b
        case (.macro(let a), .macro(let b)): return a === b
        case (.loop(let a), .loop(let b)): return a === b
        case (.iterator(let a), .iterator(let b)): return a === b
        case (.function(let a), .function(let b)): return a == b
        default:
            if let a = string, let b = other.string {
                try budget.spend(bytes: min(a.utf8.count, b.utf8.count))
                return a.hasSameBytes(as: b)
            }
            if let a = integer, let b = other.integer { return a == b }
            if let a = number, let b = other.number { return a == b }
            return false
        }
    }

    private static func equal(_ a: [Value], _ b: [Value], _ budget: Budget) throws(TemplateError) -> Bool {
        guard a.count == b.count else { return false }
        for index in a.indices {
            guard try a[index].equals(b[index], budget) else { return false }
        }
        return true
    }

    /// Whether the value precedes another.
    ///
    /// - Throws: If Python defines no order for the two types.
    func precedes(
        _ other: Value, _ budget: Budget, as symbol: String = "<"
    ) throws(TemplateError) -> Bool {
        try budget.spend()
        if let a = string, let b = other.string {
            try budget.spend(bytes: min(a.utf8.count, b.utf8.count))
            return a.precedes(b)
        }
        if let a = integer, let b = other.integer { return a < b }
        if let a = number, let b = other.number { return a < b }
        switch (self, other) {
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            for (left, right) in zip(a.items, b.items) where try !left.equals(right, budget) {
                return try left.precedes(right, budget, as: symbol)
            }
            return a.items.count < b.items.count
        case (.undefined(let missing), _), (_, .undefined(let missing)): throw missing.error
        default:
            throw .evaluation(
                "found a \(typeName) \(symbol) a \(other.typeName), expected two numbers, strings or lists")
        }
    }

    /// Whether `element in self` holds.
    func contains(_ element: Value, _ budget: Budget) throws(TemplateError) -> Bool {
        if let text = string {
            guard let part = element.string else {
                throw .evaluation(
                    "found a \(element.typeName) before 'in' and a string after it, expected two strings")
            }
            try budget.spend(bytes: text.utf8.count + part.utf8.count)
            return part.isEmpty || !Array(text.utf8).offsets(of: Array(part.utf8), limit: 1).isEmpty
        }
        if case .mapping(let mapping) = self { return try mapping.value(for: element, budget) != nil }
        for item in try elements(budget) where try item.equals(element, budget) { return true }
        return false
    }

    /// The elements in the order of iteration.
    ///
    /// - Throws: If the value is not iterable.
    func elements(_ budget: Budget) throws(TemplateError) -> [Value] {
        switch self {
        case .undefined: return []
        case .list(let elements), .tuple(let elements), .view(let elements): return elements.items
        case .mapping(let mapping): return mapping.keys
        case .iterator(let iterator): return iterator.drain()
        case .string(let text), .markup(let text):
            try budget.spend(elements: text.byteCount)
            return text.scalars.map { .string(Text(CollectionOfOne($0))) }
        case .range(let start, let stop, let step):
            let numbers = stride(from: start, to: stop, by: step)
            try budget.spend(elements: numbers.underestimatedCount)
            return numbers.map { .integer($0) }
        default: throw .evaluation("found a \(typeName), expected something to iterate over")
        }
    }

    /// The number of elements; nil for a value without a length.
    var length: Int? {
        switch self {
        case .undefined: return 0
        case .string(let text), .markup(let text): return text.string.unicodeScalars.count
        case .list(let elements), .tuple(let elements), .view(let elements): return elements.items.count
        case .mapping(let mapping): return mapping.count
        case .loop(let loop): return loop.items.count
        case .range(let start, let stop, let step):
            return stride(from: start, to: stop, by: step).underestimatedCount
        default: return nil
        }
    }
}
