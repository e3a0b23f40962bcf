// SPDX-License-Identifier: Apache-2.0
// The members of a JSON object in a file. A missing member, a wrong type and a number out of range break the rule that governs
// the object; the error names the member by its path.

import JSON

/// The members of one object, which remember whether they were read.
package struct JSONFields {
    private let object: JSON.Object
    private let path: String
    private let rule: FormatRule
    private let rangeRule: FormatRule
    private let known = Names()

    /// Names of the members that were read.
    private final class Names { var names: Set<String> = [] }

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

    private func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func error(_ rule: FormatRule, _ key: String, _ what: String, expected: String) -> FormatError {
        FormatError(rule, found: "\(what) \"\(name(key))\"", expected: expected)
    }

    /// Refuses members that were not read: they would change the meaning in a way that this version does not know.
    package func refuseUnknown() throws(FormatError) {
        for key in object.keys where !known.names.contains(key) {
            throw error(rule, key, "the unknown member", expected: "only known members")
        }
    }
}

extension JSONFields: TypedFields {
    package func value(_ key: String) -> JSON? {
        known.names.insert(key)
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    package func wrongType(_ key: String, _ value: JSON?, expected: String) -> FormatError {
        error(rule, key, "\(value?.kindName ?? "nothing") at", expected: expected)
    }

    package func refusal(_ key: String, _ found: String, expected: String) -> FormatError {
        FormatError(rangeRule, found: "\"\(name(key))\" = \(found)", expected: expected)
    }
}

// MARK: - Values with a limited size or a special form

extension JSONFields {
    package func floats(
        _ key: String, count: Int, in range: ClosedRange<Float>
    ) throws(FormatError) -> [Float] {
        let value = value(key)
        guard let elements = value?.arrayValue, elements.count == count else {
            throw wrongType(key, value, expected: "an array of \(count) numbers")
        }
        var result: [Float] = []
        result.reserveCapacity(count)
        for element in elements {
            guard let number = element.doubleValue else {
                throw wrongType(key, element, expected: "a number")
            }
            result.append(try float(number, key, in: range))
        }
        return result
    }

    package func string(_ key: String, maximumByteCount: Int) throws(FormatError) -> String {
        let text = try string(key)
        guard text.utf8.count <= maximumByteCount else {
            throw error(
                rangeRule, key, "\(text.utf8.count) bytes of", expected: "at most \(maximumByteCount)")
        }
        return text
    }

    /// An array whose number of elements is within the range.
    func array(_ key: String, count range: ClosedRange<Int>) throws(FormatError) -> [JSON] {
        let elements = try array(key)
        guard range.contains(elements.count) else {
            throw error(
                rangeRule, key, "\(elements.count) elements of",
                expected: "\(range.lowerBound) to \(range.upperBound)")
        }
        return elements
    }

    /// A string that names a case of an enumeration.
    package func choice<T: RawRepresentable<String> & CaseIterable>(
        _ key: String, _ type: T.Type
    ) throws(FormatError) -> T {
        let text = try string(key, maximumByteCount: 256)
        guard let choice = T(rawValue: text) else {
            let names = T.allCases.map { "\"\($0.rawValue)\"" }
            throw refusal(key, "\"\(text)\"", expected: names.joined(separator: " or "))
        }
        return choice
    }

    package func digest(_ key: String) throws(FormatError) -> SHA256.Digest {
        let text = try string(key, maximumByteCount: 256)
        guard let digest = SHA256.Digest(hexadecimal: text) else {
            throw FormatError(
                rangeRule, found: "\"\(name(key))\"", expected: "64 lowercase hexadecimal digits")
        }
        return digest
    }

    /// An object unchanged, or null if it is missing.
    package func openObject(_ key: String) throws(FormatError) -> JSON {
        try optional(key, "an object") { $0.objectValue.map { JSON.object($0) } } ?? .null
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
