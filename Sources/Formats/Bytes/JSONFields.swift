// SPDX-License-Identifier: Apache-2.0
// Typed access to the members of a JSON object in a file. A missing member, a wrong type and a number out of
// range break the rule that governs the object; the error names the member by its path.

import JSON

/// Reads the members of one object, and remembers which ones were read.
package struct JSONFields {
    private let object: JSON.Object
    private let path: String
    private let rule: FormatRule
    private let rangeRule: FormatRule
    private var known: Set<String> = []

    /// - Parameters:
    ///   - value: the object.
    ///   - path: the object's own name in errors, such as "configuration"; empty for the root.
    ///   - rule: the rule that a missing, unknown or wrongly typed member breaks.
    ///   - rangeRule: the rule that a value outside its range breaks; nil for the same rule.
    /// - Throws: `FormatError` if `value` is not an object.
    package init(_ value: JSON?, path: String, rule: FormatRule, rangeRule: FormatRule? = nil)
        throws(FormatError)
    {
        self.path = path
        self.rule = rule
        self.rangeRule = rangeRule ?? rule
        guard let object = value?.objectValue else {
            throw FormatError(
                rule, found: value?.kindName ?? "nothing",
                expected: path.isEmpty ? "an object" : "the object \"\(path)\"")
        }
        self.object = object
    }

    package func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// A member unchanged; nil if it is missing or null.
    package mutating func value(_ key: String) -> JSON? {
        known.insert(key)
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    private func wrongType(_ key: String, _ value: JSON?, _ expected: String) -> FormatError {
        FormatError(
            rule, found: "\(value?.kindName ?? "nothing") at \"\(name(key))\"", expected: expected)
    }

    package mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(FormatError) -> Int {
        let value = value(key)
        guard let integer = value?.intValue else { throw wrongType(key, value, "an integer") }
        guard range.contains(integer) else {
            throw FormatError(
                rangeRule, found: "\"\(name(key))\" = \(integer)",
                expected: "\(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    package mutating func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws(FormatError)
        -> Int?
    {
        value(key) == nil ? nil : try integer(key, in: range)
    }

    /// A number that is finite as a Float and within the range.
    package mutating func float(_ key: String, in range: ClosedRange<Float>) throws(FormatError) -> Float {
        let value = value(key)
        guard let number = value?.doubleValue else { throw wrongType(key, value, "a number") }
        return try Self.float(number, in: range, name: name(key), rule: rangeRule)
    }

    package mutating func optionalFloat(_ key: String, in range: ClosedRange<Float>) throws(FormatError)
        -> Float?
    {
        value(key) == nil ? nil : try float(key, in: range)
    }

    package mutating func floats(_ key: String, count: Int, in range: ClosedRange<Float>) throws(FormatError)
        -> [Float]
    {
        let value = value(key)
        guard let elements = value?.arrayValue, elements.count == count else {
            throw wrongType(key, value, "an array of \(count) numbers")
        }
        var result: [Float] = []
        result.reserveCapacity(count)
        for element in elements {
            guard let number = element.doubleValue else { throw wrongType(key, element, "a number") }
            result.append(try Self.float(number, in: range, name: name(key), rule: rangeRule))
        }
        return result
    }

    private static func float(
        _ number: Double, in range: ClosedRange<Float>, name: String, rule: FormatRule
    ) throws(FormatError) -> Float {
        let float = Float(number)
        guard range.contains(float) else {
            throw FormatError(
                rule, found: "\"\(name)\" = \(number)", expected: "\(range.lowerBound) to \(range.upperBound)"
            )
        }
        return float
    }

    package mutating func bool(_ key: String) throws(FormatError) -> Bool {
        let value = value(key)
        guard let bool = value?.boolValue else { throw wrongType(key, value, "true or false") }
        return bool
    }

    package mutating func string(_ key: String, maximumByteCount: Int) throws(FormatError) -> String {
        let value = value(key)
        guard let text = value?.stringValue else { throw wrongType(key, value, "a string") }
        guard text.utf8.count <= maximumByteCount else {
            throw FormatError(
                rangeRule, found: "\(text.utf8.count) bytes of \"\(name(key))\"",
                expected: "at most \(maximumByteCount)")
        }
        return text
    }

    /// An array whose number of elements is within the range.
    mutating func array(_ key: String, count range: ClosedRange<Int>) throws(FormatError) -> [JSON] {
        let value = value(key)
        guard let elements = value?.arrayValue else { throw wrongType(key, value, "an array") }
        guard range.contains(elements.count) else {
            throw FormatError(
                rangeRule, found: "\(elements.count) elements of \"\(name(key))\"",
                expected: "\(range.lowerBound) to \(range.upperBound)")
        }
        return elements
    }

    /// A string that names a case of an enumeration.
    package mutating func choice<T: RawRepresentable<String> & CaseIterable>(
        _ key: String, _ type: T.Type
    ) throws(FormatError) -> T {
        let text = try string(key, maximumByteCount: 256)
        guard let choice = T(rawValue: text) else {
            throw FormatError(
                rangeRule, found: "\"\(name(key))\" = \"\(text)\"",
                expected: T.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or "))
        }
        return choice
    }

    package mutating func digest(_ key: String) throws(FormatError) -> SHA256.Digest {
        let text = try string(key, maximumByteCount: 256)
        guard let digest = SHA256.Digest(hexadecimal: text) else {
            throw FormatError(
                rangeRule, found: "\"\(name(key))\"", expected: "64 lowercase hexadecimal digits")
        }
        return digest
    }

    /// An object unchanged, or null if it is missing.
    package mutating func openObject(_ key: String) throws(FormatError) -> JSON {
        guard let value = value(key) else { return .null }
        guard value.objectValue != nil else { throw wrongType(key, value, "an object") }
        return value
    }

    /// Refuses members that were not read: they would change the meaning in a way that this version does not know.
    package func refuseUnknown() throws(FormatError) {
        for key in object.keys where !known.contains(key) {
            throw FormatError(
                rule, found: "the unknown member \"\(name(key))\"", expected: "only known members")
        }
    }
}

extension JSON {
    /// A Float with the fewest digits that read back as the same Float.
    package static func float(_ value: Float) -> JSON {
        let shortest = Double("\(value)") ?? Double(value)
        return .number(Float(shortest) == value ? shortest : Double(value))
    }

    package static func float(_ value: Float?) -> JSON { value.map { .float($0) } ?? .null }

    package static func integer(_ value: Int?) -> JSON { value.map { JSON.integer($0) } ?? .null }
}
