// SPDX-License-Identifier: Apache-2.0
// Attributes, subscripts and slices. Only data and a fixed list of methods are accessible.

/// The methods of Python's types: those that may be called, and those that the immutable sandbox withholds because they mutate
/// their receiver.
private let stringMethods: Set<String> = [
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "upper", "lower",
    "title", "capitalize", "swapcase", "casefold", "replace", "join", "find", "rfind", "index", "rindex",
    "count", "format", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower", "isnumeric",
    "isdecimal", "zfill", "removeprefix", "removesuffix", "partition", "rpartition", "ljust", "rjust",
    "center",
]
private let mappingMethods: Set<String> = ["get", "items", "keys", "values", "copy"]
private let changingMappingMethods: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]
private let listMethods: Set<String> = ["index", "count", "copy"]
private let changingListMethods: Set<String> = [
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
]

extension Interpreter {
    /// `value.name`: a method first, then an element.
    func attribute(_ name: String, of value: Value) throws(TemplateError) -> Value {
        if case .undefined(let missing) = value { throw missing.error }
        try budget.spend(bytes: name.utf8.count)
        if let method = method(name, of: value) { return method }
        if case .mapping(let mapping) = value, let element = mapping[name] { return element }
        return .undefined(Missing(name: name, owner: value.typeName))
    }

    /// `value[key]`: an element first, then a method.
    func item(_ value: Value, _ key: Value) throws(TemplateError) -> Value {
        try budget.spend()
        if case .undefined(let missing) = value { throw missing.error }
        if let index = key.integer, let element = try element(at: index, of: value) { return element }
        if let name = key.text { try budget.spend(bytes: name.byteCount) }
        if case .mapping(let mapping) = value, let found = try? MappingKey(key, budget),
            let element = mapping[found]
        {
            return element
        }
        if let name = key.string, let method = method(name, of: value) { return method }
        return .undefined(Missing(name: try key.printed(budget).string, owner: value.typeName))
    }

    private func method(_ name: String, of value: Value) -> Value? {
        var forbidden: Set<String> = []
        let allowed: Set<String>
        switch value {
        case .string, .markup: allowed = stringMethods
        case .mapping: (allowed, forbidden) = (mappingMethods, changingMappingMethods)
        case .list: (allowed, forbidden) = (listMethods, changingListMethods)
        case .tuple: allowed = ["index", "count"]
        case .namespace(let namespace): return namespace.attributes[name]
        case .loop(let loop): return loop.attribute(name)
        default: return nil
        }
        if allowed.contains(name) { return .method(Method(value, name)) }
        if forbidden.contains(name) {
            return .undefined(Missing(name: name, owner: value.typeName, isForbidden: true))
        }
        return nil
    }

    /// The element at an index, counted from the end if negative; nil out of range and for mappings.
    private func element(at index: Int, of value: Value) throws(TemplateError) -> Value? {
        switch value {
        case .list(let elements), .tuple(let elements):
            let place = index < 0 ? index + elements.items.count : index
            return elements.items.indices.contains(place) ? elements.items[place] : nil
        case .string(let text), .markup(let text):
            try budget.spend(scalars: text.cost)
            let scalars = text.scalars
            let place = index < 0 ? index + scalars.count : index
            guard scalars.indices.contains(place) else { return nil }
            return .string(Text(CollectionOfOne(scalars[place])))
        case .range:
            let items = try value.elements(budget)
            let place = index < 0 ? index + items.count : index
            return items.indices.contains(place) ? items[place] : nil
        default: return nil
        }
    }

    /// `value[start:stop:step]` with Python's rules for bounds.
    func slice(_ value: Value, start: Int?, stop: Int?, step: Int?) throws(TemplateError) -> Value {
        let step = step ?? 1
        guard step != 0 else { throw .evaluation("found a slice with step 0") }
        func select<Item>(_ items: [Item]) throws(TemplateError) -> [Item] {
            try budget.spend(elements: items.count)
            return sliceIndices(items.count, start, stop, step).map { items[$0] }
        }
        switch value {
        case .list(let elements): return .list(try Elements(try select(elements.items), budget))
        case .tuple(let elements): return .tuple(try Elements(try select(elements.items), budget))
        case .string(let text), .markup(let text):
            return .string(Text(try select(text.scalars)))
        case .range: return .list(try Elements(try select(try value.elements(budget)), budget))
        case .undefined(let missing): throw missing.error
        default: throw .evaluation("found a slice of a \(value.typeName), expected a list or a string")
        }
    }

    private func sliceIndices(_ count: Int, _ start: Int?, _ stop: Int?, _ step: Int) -> StrideTo<Int> {
        // Bounds beyond the ends are clamped to them: before the first element for a negative step.
        let (low, high) = step > 0 ? (0, count) : (-1, count - 1)
        func place(_ bound: Int) -> Int {
            min(max(bound < 0 ? bound + count : bound, low), high)
        }
        let first = start.map(place) ?? (step > 0 ? 0 : count - 1)
        let end = stop.map(place) ?? (step > 0 ? count : -1)
        // A larger step selects no more than one that spans the list; the limit prevents overflow.
        return stride(from: first, to: end, by: min(max(step, -count - 1), count + 1))
    }
}
