// SPDX-License-Identifier: Apache-2.0
// Methods of strings.

/// The side of the padding.
enum Padding {
    case left, right, both
}

extension Interpreter {
    /// Methods that inspect each scalar.
    private static let letterMethods: Set<String> = [
        "upper", "lower", "casefold", "title", "capitalize", "swapcase", "isdigit", "isdecimal", "isnumeric",
        "isalpha", "isalnum", "isupper", "islower",
    ]

    func callText(_ name: String, _ text: Text, _ arguments: Arguments) throws(TemplateError) -> Value {
        if Self.letterMethods.contains(name) { try budget.spend(scalars: text.cost) }
        if let value = try callChange(name, text, arguments) { return .string(value) }
        if let value = try callSplit(name, text, arguments) { return value }
        if let value = try callSearch(name, text, arguments) { return value }
        if let value = callCheck(name, text.string) { return .boolean(value) }
        throw .evaluation("found the method '\(name)' of a string, expected one that chat templates use")
    }

    // MARK: - Changes

    private func callChange(
        _ name: String, _ text: Text, _ arguments: Arguments
    ) throws(TemplateError) -> Text? {
        switch name {
        case "strip", "lstrip", "rstrip":
            let set = try arguments.bind(["chars"], for: name)[0]
            guard set == nil || set?.isNone == true || set?.string != nil else {
                throw .evaluation("found a \(set?.typeName ?? "") for '\(name)', expected a string")
            }
            if let set = set?.string { try budget.spend(scalars: text.cost + set.utf8.count) }
            return text.stripped(of: set?.string, leading: name != "rstrip", trailing: name != "lstrip")
        case "upper": return text.uppercased
        case "lower", "casefold": return text.lowercased
        case "title": return text.pythonTitle
        case "capitalize": return text.pythonCapitalized
        case "swapcase": return text.swappedCase
        case "replace":
            let bound = try arguments.bind(["old", "new", "count"], for: name)
            let (old, new) = (try required(bound[0], name), try required(bound[1], name))
            return try replace(in: text, old.string, by: new, count: bound[2]?.integer ?? -1)
        case "join":
            guard let sequence = try arguments.bind(["iterable"], for: name)[0] else {
                throw .evaluation("expected a list for 'join'")
            }
            return try join(try sequence.elements(budget), separator: text)
        case "format": return try text.formatted(arguments, budget)
        case "removeprefix":
            let part = try required(try arguments.bind(["prefix"], for: name)[0], name)
            return try starts(text, part) ? text[part.byteCount..<text.byteCount] : text
        case "removesuffix":
            let part = try required(try arguments.bind(["suffix"], for: name)[0], name)
            return try ends(text, part) ? text[0..<text.byteCount - part.byteCount] : text
        case "zfill", "ljust", "rjust", "center": return try callPad(name, text, arguments)
        default: return nil
        }
    }

    private func callPad(_ name: String, _ text: Text, _ arguments: Arguments) throws(TemplateError)
        -> Text
    {
        let bound = try arguments.bind(["width", "fillchar"], for: name)
        guard let width = bound[0]?.integer else { throw .evaluation("expected a width for '\(name)'") }
        let fill = bound[1]?.text ?? Text(" ")
        guard fill.string.unicodeScalars.count == 1 else {
            throw .evaluation("expected one character to fill with for '\(name)'")
        }
        guard name == "zfill" else {
            return try pad(
                text, to: width, with: fill, name == "ljust" ? .right : name == "rjust" ? .left : .both)
        }
        guard text.string.hasPrefix("-") || text.string.hasPrefix("+") else {
            return try pad(text, to: width, with: Text("0"), .left)
        }
        return try text[0..<1]
            + pad(text[1..<text.byteCount], to: max(width, 1) - 1, with: Text("0"), .left)
    }

    /// Pads to a width in scalars.
    func pad(_ text: Text, to width: Int, with fill: Text, _ side: Padding) throws(TemplateError) -> Text {
        let count = text.string.unicodeScalars.count
        guard width > count else { return text }
        try budget.spend(bytes: width)
        let missing = width - count
        // Python puts the odd one on the left if the width is odd too.
        let left =
            switch side {
            case .left: missing
            case .right: 0
            case .both: missing / 2 + (missing & width & 1)
            }
        return Text(repeating: fill, count: left) + text + Text(repeating: fill, count: missing - left)
    }

    func replace(in text: Text, _ old: String, by new: Text, count: Int) throws(TemplateError) -> Text {
        let limit = count < 0 ? Int.max : count
        guard limit > 0 else { return text }
        try budget.spend(bytes: text.cost + old.utf8.count)
        guard !old.isEmpty else { return try intersperse(new, in: text, limit: limit) }
        let places = Array(text.string.utf8).offsets(of: Array(old.utf8), limit: limit)
        guard !places.isEmpty else { return text }
        try budget.spend(bytes: try product(places.count, new.cost))
        try budget.spend(elements: places.count)
        var result = Text()
        var start = 0
        for place in places {
            result.append(text[start..<place])
            result.append(new)
            start = place + old.utf8.count
        }
        result.append(text[start..<text.byteCount])
        return result
    }

    /// The result of replacing the empty string: the new text before, between and after all scalars.
    private func intersperse(_ new: Text, in text: Text, limit: Int) throws(TemplateError) -> Text {
        let scalars = text.scalars
        try budget.spend(bytes: try product(scalars.count + 1, new.cost + 1))
        try budget.spend(elements: scalars.count)
        var result = Text()
        for (index, part) in scalars.enumerated() {
            if index < limit { result.append(new) }
            result.append(part.scalar, from: part.source)
        }
        if scalars.count < limit { result.append(new) }
        return result
    }

    private func product(_ a: Int, _ b: Int) throws(TemplateError) -> Int {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        guard !overflow else { throw .limit("a text of more than \(Int.max) bytes") }
        return product
    }

    private func join(_ items: [Value], separator: Text) throws(TemplateError) -> Text {
        var result = Text()
        for (index, item) in items.enumerated() {
            guard let part = item.text else {
                throw .evaluation("found a \(item.typeName) to join, expected strings")
            }
            try budget.spend(bytes: part.cost + separator.cost)
            if index > 0 { result.append(separator) }
            result.append(part)
            try budget.check(byteCount: result.byteCount)
        }
        return result
    }

    // MARK: - Parts

    private func callSplit(_ name: String, _ text: Text, _ arguments: Arguments) throws(TemplateError)
        -> Value?
    {
        let parts: [Text]
        switch name {
        case "split", "rsplit":
            let bound = try arguments.bind(["sep", "maxsplit"], for: name)
            let limit = bound[1]?.integer ?? -1
            let fromRight = name == "rsplit"
            if let separator = bound[0], !separator.isNone {
                let separator = try required(separator, name).string
                guard !separator.isEmpty else { throw .evaluation("found an empty separator for '\(name)'") }
                parts = try text.split(
                    at: separator, limit: limit < 0 ? .max : limit, fromRight: fromRight, budget)
            } else {
                parts = try text.splitAtSpace(limit: limit < 0 ? .max : limit, fromRight: fromRight, budget)
            }
        case "splitlines": parts = try text.pythonLines(budget)
        case "partition", "rpartition":
            let separator = try required(try arguments.bind(["sep"], for: name)[0], name)
            guard !separator.isEmpty else { throw .evaluation("found an empty separator for '\(name)'") }
            let fromRight = name == "rpartition"
            let found = try text.split(at: separator.string, limit: 1, fromRight: fromRight, budget)
            let whole = fromRight ? [Text(), Text(), text] : [text, Text(), Text()]
            // The separator found is part of the text itself.
            let start = found[0].byteCount
            let triple =
                found.count == 2 ? [found[0], text[start..<start + separator.byteCount], found[1]] : whole
            return .tuple(try Elements(triple.map { .string($0) }, budget))
        default: return nil
        }
        return .list(try Elements(parts.map { .string($0) }, budget))
    }

    // MARK: - Searches

    private func callSearch(_ name: String, _ text: Text, _ arguments: Arguments) throws(TemplateError)
        -> Value?
    {
        guard ["startswith", "endswith", "find", "rfind", "index", "rindex", "count"].contains(name) else {
            return nil
        }
        let bound = try arguments.bind(["sub", "start", "end"], for: name)
        var searched = text
        var offset = 0
        if bound[1] != nil || bound[2] != nil {
            let count = text.string.unicodeScalars.count
            let part = try slice(.string(text), start: bound[1]?.integer, stop: bound[2]?.integer, step: nil)
            let start = bound[1]?.integer ?? 0
            offset = min(max(start < 0 ? start + count : start, 0), count)
            searched = part.text ?? Text()
        }
        if name == "startswith" || name == "endswith" {
            var candidates = [bound[0] ?? .none]
            if case .tuple(let elements)? = bound[0] { candidates = elements.items }
            for candidate in candidates {
                let part = try required(candidate, name)
                if try name == "startswith" ? starts(searched, part) : ends(searched, part) {
                    return .boolean(true)
                }
            }
            return .boolean(false)
        }
        let part = try required(bound[0], name).string
        try budget.spend(bytes: searched.byteCount + part.utf8.count)
        if name == "count" {
            guard !part.isEmpty else { return .integer(searched.string.unicodeScalars.count + 1) }
            return .integer(Array(searched.string.utf8).offsets(of: Array(part.utf8)).count)
        }
        guard let place = position(of: part, in: searched.string, fromRight: name.hasPrefix("r")) else {
            guard name.hasSuffix("find") else { throw .evaluation("found no '\(part)' in the string") }
            return .integer(-1)
        }
        return .integer(offset + place)
    }

    /// The position of a part, in scalars.
    private func position(of part: String, in text: String, fromRight: Bool) -> Int? {
        guard !part.isEmpty else { return fromRight ? text.unicodeScalars.count : 0 }
        let bytes = Array(text.utf8)
        let pattern = Array(part.utf8)
        let places =
            fromRight ? bytes.offsets(of: pattern, fromRight: true) : bytes.offsets(of: pattern, limit: 1)
        guard let place = fromRight ? places.last : places.first else { return nil }
        return bytes[..<place].count { $0 & 0xC0 != 0x80 }
    }

    private func starts(_ text: Text, _ part: Text) throws(TemplateError) -> Bool {
        try budget.spend(bytes: min(text.byteCount, part.byteCount))
        return text.string.utf8.starts(with: part.string.utf8)
    }

    private func ends(_ text: Text, _ part: Text) throws(TemplateError) -> Bool {
        try budget.spend(bytes: min(text.byteCount, part.byteCount))
        return text.byteCount >= part.byteCount
            && text.string.utf8.suffix(part.byteCount).elementsEqual(part.string.utf8)
    }

    private func required(_ value: Value?, _ name: String) throws(TemplateError) -> Text {
        if case .undefined(let missing)? = value { throw missing.error }
        guard let text = value?.text else {
            throw .evaluation(
                "found \(value.map { "a \($0.typeName)" } ?? "no argument") for '\(name)', expected a string")
        }
        return text
    }

    // MARK: - Checks

    private func callCheck(_ name: String, _ text: String) -> Bool? {
        let scalars = text.unicodeScalars
        func all(_ condition: (Unicode.Scalar.Properties) -> Bool) -> Bool {
            !scalars.isEmpty && scalars.allSatisfy { condition($0.properties) }
        }
        switch name {
        case "isdigit": return all { $0.numericType == .digit || $0.numericType == .decimal }
        case "isdecimal": return all { $0.numericType == .decimal }
        case "isnumeric": return all { $0.numericType != nil }
        case "isalpha": return all { $0.isAlphabetic && $0.numericType == nil }
        case "isalnum": return all { $0.isAlphabetic || $0.numericType != nil }
        case "isspace": return !scalars.isEmpty && scalars.allSatisfy(\.isPythonSpace)
        case "isupper": return text.hasOnlyCase(isUpper: true)
        case "islower": return text.hasOnlyCase(isUpper: false)
        default: return nil
        }
    }
}
