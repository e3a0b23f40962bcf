// SPDX-License-Identifier: Apache-2.0
// A cursor over a `ByteView`: every read is checked against the remaining bytes, and reading past the end
// breaks the format's own "truncated" rule.

/// Reads little-endian values one after the other.
package struct ByteReader {
    private let view: ByteView
    /// The rule that is broken if bytes are missing.
    private let truncationRule: FormatRule
    /// Bytes read so far.
    package private(set) var position = 0

    package init(_ view: ByteView, truncationRule: FormatRule) {
        self.view = view
        self.truncationRule = truncationRule
    }

    /// The number of remaining bytes.
    package var remaining: Int { view.count - position }
    /// The position in the file.
    package var byteOffset: Int { view.byteOffset + position }

    /// The next `count` bytes; an error names the field `what`.
    package mutating func bytes(_ count: Int, _ what: StaticString) throws(FormatError) -> ByteView {
        guard let slice = view.slice(position, count: count) else {
            throw FormatError(
                truncationRule, found: "\(remaining) bytes left", expected: "\(what), \(count) bytes",
                byteOffset: byteOffset)
        }
        position += count
        return slice
    }

    package mutating func integer<T: BitwiseCopyable & FixedWidthInteger>(
        _ type: T.Type, _ what: StaticString
    ) throws(FormatError) -> T {
        try bytes(MemoryLayout<T>.size, what).load(T.self, at: 0)
    }

    /// The next UInt64 as a number of items that need at least `unit` bytes each.
    /// - Throws: `rule` if it is above `limit` or if that many items cannot follow.
    package mutating func count(
        _ what: StaticString, unit: Int, limit: Int, rule: FormatRule
    ) throws(FormatError) -> Int {
        let start = byteOffset
        let value = try integer(UInt64.self, what)
        let bound = Swift.min(limit, remaining / unit)
        guard value <= UInt64(bound) else {
            throw FormatError(
                rule, found: "\(what) \(value)",
                expected: "at most \(bound) (limit \(limit), \(remaining) bytes left)",
                byteOffset: start)
        }
        return Int(value)
    }
}
