// SPDX-License-Identifier: Apache-2.0
// JSON values (RFC 8259) with ordered objects, exact integers and round-trip doubles.
// Written without Foundation: linking it costs more resident memory than a small model's cache.

/// A JSON value.
///
/// A number without fraction and exponent that fits `Int` is an `integer`, any other a `number`, so
/// that token ids and counts never pass through floating point. Strings and keys are compared by
/// their bytes: Swift's canonical equivalence would merge distinct tokens of a vocabulary.
package enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object(JSON.Object)
}

// MARK: - Access

extension JSON {
    /// The text of a string, or nil for any other value.
    package var stringValue: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The value of an integer, or of a number that is exactly one, or nil.
    package var intValue: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }

    /// The value of a number or an integer, or nil; integers beyond ±2⁵³ are rounded.
    package var doubleValue: Double? {
        switch self {
        case .number(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }

    /// The value of a Boolean, or nil for any other value.
    package var boolValue: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The elements of an array, or nil for any other value.
    package var arrayValue: [JSON]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members of an object, or nil for any other value.
    package var objectValue: JSON.Object? {
        guard case .object(let object) = self else { return nil }
        return object
    }

    /// True for `null` only.
    package var isNull: Bool {
        guard case .null = self else { return false }
        return true
    }

    /// The value of a key; nil if this is not an object or has no such key.
    package subscript(key: String) -> JSON? {
        guard case .object(let object) = self else { return nil }
        return object[key]
    }

    /// An element; nil if this is not an array or the index is out of range.
    package subscript(index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The kind of value in words, for error messages.
    package var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a Boolean"
        case .integer: "an integer"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

// MARK: - Comparison

extension JSON: Equatable {
    /// Equal values of the same kind; `integer(1)` differs from `number(1)`, strings compare by bytes.
    package static func == (left: JSON, right: JSON) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.integer(let a), .integer(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): a.hasSameBytes(as: b)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }
}

extension String {
    /// Equality of the UTF-8 bytes, without Unicode normalisation.
    package func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }
}

// MARK: - Literals

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(nilLiteral: ()) { self = .null }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(stringLiteral value: String) { self = .string(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }

    /// An object with the members in the order written; of two equal keys the last one wins.
    package init(dictionaryLiteral members: (String, JSON)...) {
        var object = Object()
        for (key, value) in members { object[key] = value }
        self = .object(object)
    }
}
