// SPDX-License-Identifier: Apache-2.0
// Text with Python's semantics: sequences of Unicode scalars, searched bytewise. Swift's characters would join "\r\n" and compare
// by canonical equivalence; both would change the text that a model reads.

extension Unicode.Scalar {
    /// The characters that Python's `str.isspace` and `\s` accept.
    var isPythonSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
            0x3000:
            true
        default: false
        }
    }

    var isDigit: Bool { ("0"..."9").contains(self) }

    /// A letter, a digit or an underscore, in any script.
    var isWordPart: Bool {
        if isASCII {
            return isDigit || ("a"..."z").contains(self) || ("A"..."Z").contains(self) || self == "_"
        }
        return properties.isAlphabetic || properties.numericType != nil
    }

    /// Whether `str.splitlines` ends a line here.
    var endsPythonLine: Bool {
        switch value {
        case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }
}

extension String {
    /// Order of the scalars' values, which is that of the UTF-8 bytes.
    func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}

extension Text {
    /// Without leading or trailing scalars of a set; nil means white space.
    func stripped(of set: String?, leading: Bool, trailing: Bool) -> Text {
        let excluded = set.map { Set($0.unicodeScalars) }
        var part = string.unicodeScalars[...]
        func isExcluded(_ scalar: Unicode.Scalar) -> Bool {
            excluded?.contains(scalar) ?? scalar.isPythonSpace
        }
        if leading { while let first = part.first, isExcluded(first) { part.removeFirst() } }
        if trailing { while let last = part.last, isExcluded(last) { part.removeLast() } }
        let utf8 = string.utf8
        let start = utf8.distance(from: utf8.startIndex, to: part.startIndex)
        return self[start..<start + utf8.distance(from: part.startIndex, to: part.endIndex)]
    }

    /// The lines without their terminators; a terminator at the end starts no further line. Each line is counted against the
    /// budget before it is created.
    func pythonLines(_ budget: Budget) throws(TemplateError) -> [Text] {
        var lines: [Text] = []
        var start = 0
        var position = 0
        var previous: Unicode.Scalar?
        for scalar in string.unicodeScalars {
            let continuesEnd = scalar == "\n" && previous == "\r"
            let end = position + UTF8.width(scalar)
            if scalar.endsPythonLine {
                if !continuesEnd {
                    try budget.spend(elements: 1)
                    lines.append(self[start..<position])
                }
                start = end
            }
            position = end
            previous = scalar
        }
        if start < position { lines.append(self[start..<position]) }
        return lines
    }

    /// The parts between runs of white space, with at most `limit` splits from the left or the right.
    func splitAtSpace(limit: Int, fromRight: Bool, _ budget: Budget) throws(TemplateError) -> [Text] {
        var scalars = self.scalars
        if fromRight { scalars.reverse() }
        var parts: [ArraySlice<TextScalar>] = []
        var index = 0
        while true {
            while index < scalars.count, scalars[index].isPythonSpace { index += 1 }
            guard index < scalars.count else { break }
            let start = index
            try budget.spend(elements: 1)
            if parts.count == limit {
                // The unsplit rest keeps the white space at its far end.
                parts.append(scalars[start...])
                break
            }
            while index < scalars.count, !scalars[index].isPythonSpace { index += 1 }
            parts.append(scalars[start..<index])
        }
        guard fromRight else { return parts.map { Text($0) } }
        return parts.reversed().map { Text($0.reversed()) }
    }

    /// The parts between occurrences of a separator, with at most `limit` splits.
    ///
    /// - Precondition: The separator is not empty.
    func split(
        at separator: String, limit: Int, fromRight: Bool, _ budget: Budget
    ) throws(TemplateError) -> [Text] {
        try budget.spend(bytes: separator.utf8.count)
        let pattern = Array(separator.utf8)
        var matches = Array(string.utf8).offsets(of: pattern, fromRight: fromRight)
        if matches.count > limit {
            matches = fromRight ? Array(matches.suffix(limit)) : Array(matches.prefix(limit))
        }
        try budget.spend(elements: matches.count)
        var parts: [Text] = []
        var start = 0
        for match in matches {
            parts.append(self[start..<match])
            start = match + pattern.count
        }
        parts.append(self[start..<byteCount])
        return parts
    }

    var uppercased: Text { mapScalars { $0.uppercased() } }
    var lowercased: Text { mapScalars { $0.lowercased() } }

    /// Upper and lower case exchanged.
    var swappedCase: Text {
        mapScalars { part in
            part.unicodeScalars.reduce(into: "") { result, scalar in
                let properties = scalar.properties
                result += properties.isUppercase ? properties.lowercaseMapping : properties.uppercaseMapping
            }
        }
    }

    /// Each word's first letter in upper case, the rest in lower case, as in `str.title`.
    var pythonTitle: Text {
        var result = Text()
        var isInWord = false
        for part in scalars {
            let properties = part.scalar.properties
            result.append(
                isInWord ? properties.lowercaseMapping : properties.titlecaseMapping, from: part.source)
            isInWord = properties.isCased
        }
        return result
    }

    /// The first letter in upper case, the rest in lower case.
    var pythonCapitalized: Text {
        guard let first = firstScalar else { return Text() }
        let capital = first.mapScalars { $0.unicodeScalars.first?.properties.titlecaseMapping ?? "" }
        return capital + self[first.byteCount..<byteCount].lowercased
    }
}

extension [UInt8] {
    /// The occurrences of a pattern, in ascending order and without overlaps.
    ///
    /// Knuth, Morris and Pratt 1977: linear for every pattern, so no text makes searching expensive.
    ///
    /// - Parameters:
    ///   - pattern: The bytes to search for.
    ///   - fromRight: Resolves overlaps in favour of later occurrences.
    ///   - limit: The maximum number of occurrences.
    /// - Returns: Offsets in bytes.
    /// - Precondition: The pattern is not empty.
    func offsets(of pattern: [UInt8], fromRight: Bool = false, limit: Int = .max) -> [Int] {
        precondition(!pattern.isEmpty, "offsets(of:): the pattern is empty")
        if fromRight {
            let mirrored: [UInt8] = self.reversed()
            let found = mirrored.offsets(of: pattern.reversed(), limit: limit)
            return found.reversed().map { count - $0 - pattern.count }
        }
        guard pattern.count <= count else { return [] }
        // border[i]: the length of the longest proper prefix of pattern[...i] that is also its suffix.
        var border = [Int](repeating: 0, count: pattern.count)
        var length = 0
        for index in 1..<Swift.max(1, pattern.count) {
            while length > 0, pattern[index] != pattern[length] { length = border[length - 1] }
            if pattern[index] == pattern[length] { length += 1 }
            border[index] = length
        }
        var offsets: [Int] = []
        length = 0
        for index in indices {
            while length > 0, self[index] != pattern[length] { length = border[length - 1] }
            if self[index] == pattern[length] { length += 1 }
            guard length == pattern.count else { continue }
            offsets.append(index + 1 - length)
            if offsets.count == limit { break }
            length = 0
        }
        return offsets
    }
}
