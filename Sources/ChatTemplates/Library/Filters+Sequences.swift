// SPDX-License-Identifier: Apache-2.0
// Filters on lists and mappings. Filters that are lazy in Jinja return an iterator here too: it is true, has no length, and can
// be iterated over once.

extension Interpreter {
    func filterSequence(
        _ name: String, _ value: Value, _ arguments: Arguments
    ) throws(TemplateError) -> Value? {
        switch name {
        case "default", "d":
            let bound = try arguments.bind(["default_value", "boolean"], for: name)
            let isReplaced = value.isUndefined || (bound[1]?.isTrue ?? false && !value.isTrue)
            return isReplaced ? bound[0] ?? .string(Text()) : value
        case "length", "count":
            try budget.spend(bytes: value.text?.byteCount ?? 0)
            guard let length = value.length else {
                throw .evaluation(
                    "found a \(value.typeName) for 'length', expected a list, mapping or string")
            }
            return .integer(length)
        case "first": return try value.firstElement(budget) ?? .undefined(Missing(name: "first element"))
        case "last":
            if case .iterator = value { throw .evaluation("found a generator for 'last', expected a list") }
            return try value.elements(budget).last ?? .undefined(Missing(name: "last element"))
        case "list": return .list(try Elements(try value.elements(budget), budget))
        case "reverse":
            if let text = value.text {
                try budget.spend(bytes: text.cost)
                return .string(Text(text.scalars.reversed()))
            }
            // A value that Python cannot iterate backwards becomes a list first.
            if case .iterator(let iterator) = value {
                return .list(try Elements(iterator.drain().reversed(), budget))
            }
            return try iterator(try value.elements(budget).reversed())
        case "join": return .string(try join(value, arguments))
        case "items":
            if value.isUndefined { return try iterator([]) }
            guard case .mapping(let mapping) = value else {
                throw .evaluation("found a \(value.typeName) for 'items', expected a mapping")
            }
            return try iterator(try mapping.items(budget).items)
        case "attr":
            guard let attributeName = try arguments.bind(["name"], for: name)[0]?.string else {
                throw .evaluation("expected the name of an attribute for 'attr'")
            }
            // Unlike the dot, this does not access elements.
            if case .mapping = value { return .undefined(Missing(name: attributeName, owner: "dict")) }
            return try attribute(attributeName, of: value)
        case "dictsort", "sort", "unique", "min", "max": return try order(name, value, arguments)
        case "map": return try iterator(try map(value, arguments))
        case "select", "reject", "selectattr", "rejectattr": return try select(name, value, arguments)
        case "sum":
            let bound = try arguments.bind(["attribute", "start"], for: name)
            var sum = bound[1] ?? .integer(0)
            for element in try value.elements(budget) {
                sum = try ArithmeticOperator.add.apply(sum, try reach(bound[0], in: element), budget)
            }
            return sum
        case "batch": return try iterator(try batch(value, arguments))
        default: return nil
        }
    }

    func iterator(_ items: [Value]) throws(TemplateError) -> Value {
        .iterator(ValueIterator(try Elements(items, budget)))
    }

    /// The part of an element named by an `attribute` argument such as "a.b.0", or the element itself.
    private func reach(_ path: Value?, in element: Value) throws(TemplateError) -> Value {
        guard let path, !path.isNone else { return element }
        if path.integer != nil { return try item(element, path) }
        guard let text = path.string else {
            throw .evaluation("found a \(path.typeName) as an attribute, expected a string")
        }
        try budget.spend(bytes: text.utf8.count)
        var value = element
        for part in text.split(separator: ".", omittingEmptySubsequences: false) {
            value = try item(value, Int(part).map { .integer($0) } ?? .string(Text(String(part))))
        }
        return value
    }

    private func join(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Text {
        let bound = try arguments.bind(["d", "attribute"], for: "join")
        let separator = try bound[0]?.printed(budget) ?? Text()
        var text = Text()
        for (index, element) in try value.elements(budget).enumerated() {
            let part = try reach(bound[1], in: element).printed(budget)
            try budget.spend(bytes: separator.cost + part.cost)
            if index > 0 { text.append(separator) }
            text.append(part)
            try budget.check(byteCount: text.byteCount)
        }
        return text
    }

    private func batch(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> [Value] {
        let bound = try arguments.bind(["linecount", "fill_with"], for: "batch")
        guard let size = bound[0]?.integer, size > 0 else {
            throw .evaluation("expected a positive integer for 'batch'")
        }
        var rows: [[Value]] = []
        for element in try value.elements(budget) {
            if rows.last.map({ $0.count == size }) ?? true { rows.append([]) }
            rows[rows.count - 1].append(element)
        }
        if let filler = bound[1], !filler.isNone, let last = rows.last {
            try budget.spend(elements: size - last.count)
            rows[rows.count - 1] += [Value](repeating: filler, count: size - last.count)
        }
        var result: [Value] = []
        for row in rows { result.append(.list(try Elements(row, budget))) }
        return result
    }

    // MARK: - Choosing

    /// The candidate elements: as in Jinja, None and other empty values have none.
    private func candidates(_ value: Value) throws(TemplateError) -> [Value] {
        value.isTrue ? try value.elements(budget) : []
    }

    private func map(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> [Value] {
        var result: [Value] = []
        if arguments.positional.isEmpty, arguments.named.contains(where: { $0.name.string == "attribute" }) {
            let bound = try arguments.bind(["attribute", "default"], for: "map")
            for element in try candidates(value) {
                let part = try reach(bound[0], in: element)
                result.append(part.isUndefined ? bound[1] ?? part : part)
            }
            return result
        }
        guard let name = arguments.positional.first?.string else {
            throw .evaluation("expected the name of a filter or 'attribute=' for 'map'")
        }
        let rest = arguments.dropping(1)
        for element in try candidates(value) {
            result.append(
                try descend(-1) { () throws(TemplateError) -> Value in try filter(name, element, rest) })
        }
        return result
    }

    private func select(_ name: String, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value
    {
        let isByAttribute = name.hasSuffix("attr")
        guard !isByAttribute || !arguments.positional.isEmpty else {
            throw .evaluation("expected the name of an attribute for '\(name)'")
        }
        let path = isByAttribute ? arguments.positional[0] : nil
        var rest = isByAttribute ? arguments.dropping(1) : arguments
        let testName = rest.positional.first
        rest = rest.dropping(1)
        let keeps = name.hasPrefix("select")
        var result: [Value] = []
        for element in try candidates(value) {
            try budget.spend()
            let part = try reach(path, in: element)
            let isPassed: Bool
            if let testName {
                guard let testName = testName.string else {
                    throw .evaluation("expected the name of a test for '\(name)'")
                }
                isPassed = try test(testName, part, rest)
            } else {
                isPassed = part.isTrue
            }
            if isPassed == keeps { result.append(element) }
        }
        return try iterator(result)
    }

    // MARK: - Order

    private func order(_ name: String, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value
    {
        switch name {
        case "dictsort":
            let bound = try arguments.bind(["case_sensitive", "by", "reverse"], for: name)
            if case .undefined(let missing) = value { throw missing.error }
            guard case .mapping(let mapping) = value else {
                throw .evaluation("found a \(value.typeName) for 'dictsort', expected a mapping")
            }
            let by = bound[1]?.string ?? "key"
            guard by == "key" || by == "value" else {
                throw .evaluation("found by='\(by)' for 'dictsort', expected 'key' or 'value'")
            }
            return .list(
                try sorted(
                    try mapping.items(budget).items, path: .integer(by == "key" ? 0 : 1),
                    isCaseSensitive: bound[0]?.isTrue ?? false, isReversed: bound[2]?.isTrue ?? false))
        case "sort":
            let bound = try arguments.bind(["reverse", "case_sensitive", "attribute"], for: name)
            return .list(
                try sorted(
                    try value.elements(budget), path: bound[2], isCaseSensitive: bound[1]?.isTrue ?? false,
                    isReversed: bound[0]?.isTrue ?? false))
        case "unique":
            let bound = try arguments.bind(["case_sensitive", "attribute"], for: name)
            var seen: Set<MappingKey> = []
            var result: [Value] = []
            for element in try value.elements(budget) {
                let key = try sortKey(element, bound[1], isCaseSensitive: bound[0]?.isTrue ?? false)
                if seen.insert(try MappingKey(key, budget)).inserted { result.append(element) }
            }
            return try iterator(result)
        default:
            let bound = try arguments.bind(["case_sensitive", "attribute"], for: name)
            var best: (element: Value, key: Value)?
            for element in try value.elements(budget) {
                let key = try sortKey(element, bound[1], isCaseSensitive: bound[0]?.isTrue ?? false)
                guard let current = best else {
                    best = (element, key)
                    continue
                }
                let isBetter =
                    try name == "min"
                    ? key.precedes(current.key, budget) : current.key.precedes(key, budget)
                if isBetter { best = (element, key) }
            }
            return best?.element ?? .undefined(Missing(name: "element"))
        }
    }

    private func sortKey(_ element: Value, _ path: Value?, isCaseSensitive: Bool) throws(TemplateError)
        -> Value
    {
        let key = try reach(path, in: element)
        guard !isCaseSensitive, let text = key.text else { return key }
        try budget.spend(bytes: text.cost)
        return .string(text.lowercased)
    }

    private func sorted(
        _ items: [Value], path: Value?, isCaseSensitive: Bool, isReversed: Bool
    ) throws(TemplateError) -> Elements {
        var keyed: [(key: Value, item: Value)] = []
        for item in items { keyed.append((try sortKey(item, path, isCaseSensitive: isCaseSensitive), item)) }
        // Python reverses the order but keeps equal elements in their original order.
        try sort(&keyed) { (a, b) throws(TemplateError) in
            try isReversed ? b.key.precedes(a.key, budget) : a.key.precedes(b.key, budget)
        }
        return try Elements(keyed.map(\.item), budget)
    }
}

extension Value {
    /// The first element; advances an iterator by one.
    fileprivate func firstElement(_ budget: Budget) throws(TemplateError) -> Value? {
        switch self {
        case .iterator(let iterator): iterator.next()
        case .string(let text), .markup(let text):
            text.firstScalar.map { .string($0) }
        default: try elements(budget).first
        }
    }
}
