// SPDX-License-Identifier: Apache-2.0
// Named values of a file, read by type: the same accessors for members of JSON objects and keys of GGUF metadata. Each source
// words its own errors, since each names the rule that is broken and the place in its own way.

import JSON

/// A value in a file that may have one of several types; an accessor returns nil for another type.
package protocol FieldValue {
    var intValue: Int? { get }
    /// An integer counts as a number, too.
    var doubleValue: Double? { get }
    /// The number as a Float; nil if the format has no use for one that overflows.
    var floatValue: Float? { get }
    var boolValue: Bool? { get }
    var stringValue: String? { get }
}

/// Values under names.
///
/// Each accessor throws the source's own error for a value of another type or out of range. The forms that begin with
/// `optional` return nil for a missing value; the others throw.
package protocol TypedFields<Value> {
    associatedtype Value: FieldValue
    associatedtype Failure: Error

    /// A value of any type; nil if it is missing or null.
    func value(_ key: String) -> Value?

    /// The error for a missing value (nil), or for a value of another type.
    func wrongType(_ key: String, _ value: Value?, expected: String) -> Failure

    /// The error for a value of the right type that is refused.
    ///
    /// - Parameter found: the value, as it appears in the error.
    func refusal(_ key: String, _ found: String, expected: String) -> Failure

    /// The integer that a value is; nil for another type. A source that has several notations for one tells them apart here.
    func integer(of value: Value, _ key: String) throws(Failure) -> Int?
}

// MARK: - Any type

extension TypedFields {
    /// A value, as `read` understands it.
    ///
    /// - Parameters:
    ///   - expected: the type, as it appears in the error.
    ///   - read: returns nil for a value of another type.
    package func optional<Result>(
        _ key: String, _ expected: String, _ read: (Value) -> Result?
    ) throws(Failure) -> Result? {
        guard let value = value(key) else { return nil }
        guard let result = read(value) else { throw wrongType(key, value, expected: expected) }
        return result
    }

    /// Requires that an optional accessor found a value.
    package func required<Result>(
        _ key: String, _ expected: String, _ result: Result?
    ) throws(Failure) -> Result {
        guard let result else { throw wrongType(key, nil, expected: expected) }
        return result
    }
}

// MARK: - Numbers

extension TypedFields {
    package func integer(of value: Value, _ key: String) throws(Failure) -> Int? { value.intValue }

    /// - Parameter range: nil takes every integer.
    package func optionalInteger(_ key: String, in range: ClosedRange<Int>? = nil) throws(Failure) -> Int? {
        guard let value = value(key) else { return nil }
        guard let integer = try integer(of: value, key) else {
            throw wrongType(key, value, expected: "an integer")
        }
        if let range, !range.contains(integer) {
            throw refusal(key, "\(integer)", expected: "\(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    package func integer(_ key: String, in range: ClosedRange<Int>? = nil) throws(Failure) -> Int {
        try required(key, "an integer", optionalInteger(key, in: range))
    }

    package func optionalInteger(_ key: String, atLeast least: Int) throws(Failure) -> Int? {
        guard let integer = try optionalInteger(key) else { return nil }
        guard integer >= least else { throw refusal(key, "\(integer)", expected: "at least \(least)") }
        return integer
    }

    /// - Parameter range: nil takes every number that the format has a use for.
    package func optionalFloat(_ key: String, in range: ClosedRange<Float>? = nil) throws(Failure) -> Float? {
        guard let range else { return try optional(key, "a number") { $0.floatValue } }
        guard let number = try optional(key, "a number", { $0.doubleValue }) else { return nil }
        return try float(number, key, in: range)
    }

    package func float(_ key: String, in range: ClosedRange<Float>? = nil) throws(Failure) -> Float {
        try required(key, "a number", optionalFloat(key, in: range))
    }

    /// Converts a number of a field, which must be within the range as a Float.
    func float(_ number: Double, _ key: String, in range: ClosedRange<Float>) throws(Failure) -> Float {
        let float = Float(number)
        guard range.contains(float) else {
            throw refusal(key, "\(number)", expected: "\(range.lowerBound) to \(range.upperBound)")
        }
        return float
    }
}

// MARK: - Other types

extension TypedFields {
    package func optionalBool(_ key: String) throws(Failure) -> Bool? {
        try optional(key, "true or false") { $0.boolValue }
    }

    package func bool(_ key: String) throws(Failure) -> Bool {
        try required(key, "true or false", optionalBool(key))
    }

    package func optionalString(_ key: String) throws(Failure) -> String? {
        try optional(key, "a string") { $0.stringValue }
    }

    package func string(_ key: String) throws(Failure) -> String {
        try required(key, "a string", optionalString(key))
    }
}

extension TypedFields<JSON> {
    package func optionalArray(_ key: String) throws(Failure) -> [JSON]? {
        try optional(key, "an array") { $0.arrayValue }
    }

    package func array(_ key: String) throws(Failure) -> [JSON] {
        try required(key, "an array", optionalArray(key))
    }
}

extension JSON: FieldValue {
    /// A number that is finite as a Float.
    package var floatValue: Float? { doubleValue.map { Float($0) }.flatMap { $0.isFinite ? $0 : nil } }
}
