// SPDX-License-Identifier: Apache-2.0
// Text as Python sees it: sequences of Unicode scalars, searched by their bytes. Swift's characters
// would join "\r\n" and compare by canonical equivalence; both would change what a model reads.

extension Unicode.Scalar {
    /// What Python's `str.isspace` and `\s` accept.
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
    init(_ scalars: some Sequence<Unicode.Scalar>) {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        self.init(view)
    }

    /// Equality of the UTF-8 bytes, without Unicode normalisation.
    func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }

    /// Order of the scalars' values, which is that of the UTF-8 bytes.
    func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

    /// Without leading or trailing scalars of a set; nil stands for white space.
    func stripped(of set: String?, leading: Bool, trailing: Bool) -> String {
        let excluded = set.map { Set($0.unicodeScalars) }
        var part = unicodeScalars[...]
        func isExcluded(_ scalar: Unicode.Scalar) -> Bool {
            excluded?.contains(scalar) ?? scalar.isPythonSpace
        }
        if leading { while let first = part.first, isExcluded(first) { part.removeFirst() } }
        if trailing { while let last = part.last, isExcluded(last) { part.removeLast() } }
        return String(part)
    }

    /// The lines without their ends; a final end starts no further line.
    var pythonLines: [String] {
        var lines: [String] = []
        var line = String.UnicodeScalarView()
        var previous: Unicode.Scalar?
        for scalar in unicodeScalars {
            let continuesEnd = scalar == "\n" && previous == "\r"
            previous = scalar
            if continuesEnd { continue }
            if scalar.endsPythonLine {
                lines.append(String(line))
                line = String.UnicodeScalarView()
            } else {
                line.append(scalar)
            }
        }
        if let previous, !previous.endsPythonLine { lines.append(String(line)) }
        return lines
    }

    /// The parts between runs of white space, at most `limit` splits from the left or the right.
    func splitAtSpace(limit: Int, fromRight: Bool) -> [String] {
        var scalars = Array(unicodeScalars)
        if fromRight { scalars.reverse() }
        var parts: [[Unicode.Scalar]] = []
        var index = 0
        while true {
            while index < scalars.count, scalars[index].isPythonSpace { index += 1 }
            guard index < scalars.count else { break }
            let start = index
            if parts.count == limit {
                // What is not split keeps the white space at its far end.
                parts.append(Array(scalars[start...]))
                break
            }
            while index < scalars.count, !scalars[index].isPythonSpace { index += 1 }
            parts.append(Array(scalars[start..<index]))
        }
        guard fromRight else { return parts.map { String($0) } }
        return parts.reversed().map { String($0.reversed()) }
    }

    /// The parts between occurrences of a separator, at most `limit` splits.
    ///
    /// - Precondition: The separator is not empty.
    func split(at separator: String, limit: Int, fromRight: Bool) -> [String] {
        let bytes = Array(utf8)
        let pattern = Array(separator.utf8)
        var matches = bytes.offsets(of: pattern, fromRight: fromRight)
        if matches.count > limit {
            matches = fromRight ? Array(matches.suffix(limit)) : Array(matches.prefix(limit))
        }
        var parts: [String] = []
        var start = 0
        for match in matches {
            parts.append(String(decoding: bytes[start..<match], as: UTF8.self))
            start = match + pattern.count
        }
        parts.append(String(decoding: bytes[start...], as: UTF8.self))
        return parts
    }

    /// Each word's first letter as a capital, the rest small, as `str.title` does.
    var pythonTitle: String {
        var result = ""
        var isInWord = false
        for scalar in unicodeScalars {
            let properties = scalar.properties
            result += isInWord ? properties.lowercaseMapping : properties.titlecaseMapping
            isInWord = properties.isCased
        }
        return result
    }

    /// The first letter as a capital, the rest small.
    var pythonCapitalized: String {
        guard let first = unicodeScalars.first else { return "" }
        return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercased()
    }
}

extension [UInt8] {
    /// Where a pattern occurs, in ascending order and without overlaps.
    ///
    /// Knuth, Morris and Pratt 1977: linear for every pattern, so no text makes searching expensive.
    ///
    /// - Parameters:
    ///   - pattern: What to look for.
    ///   - fromRight: Resolves overlaps in favour of later occurrences.
    ///   - limit: How many occurrences to look for.
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
        // border[i]: the longest proper prefix of pattern[...i] that also ends it.
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
