// SPDX-License-Identifier: Apache-2.0
// The key-value part of a GGUF file (formats/gguf.md §3.2): read once, checked completely, decoded lazily.

/// Metadata in the file's order, accessed by key.
package struct GGUFMetadata: Sendable {
    package private(set) var keys: [String] = []
    private var values: [String: GGUFValue] = [:]

    package subscript(key: String) -> GGUFValue? { values[key] }

    /// Reads `count` pairs.
    /// - Throws: `FormatError` R6–R12, or R3 when the file ends early.
    init(_ reader: inout ByteReader, count: Int) throws(FormatError) {
        keys.reserveCapacity(count)
        values.reserveCapacity(count)
        for _ in 0..<count {
            let start = reader.byteOffset
            let key = try Self.key(&reader)
            guard values[key] == nil else {
                throw FormatError(
                    .ggufDuplicateKey, found: "\"\(key)\" a second time", expected: "each key once",
                    byteOffset: start)
            }
            values[key] = try Self.value(&reader)
            keys.append(key)
        }
    }

    private static func key(_ reader: inout ByteReader) throws(FormatError) -> String {
        let start = reader.byteOffset
        let length = try reader.count(
            "key length", unit: 1, limit: GGUFFile.maximumKeyByteCount, rule: .ggufKey)
        guard length > 0, let key = try reader.bytes(length, "key").text else {
            throw FormatError(
                .ggufKey, found: length == 0 ? "an empty key" : "bytes that are not UTF-8",
                expected: "1 to \(GGUFFile.maximumKeyByteCount) bytes of UTF-8", byteOffset: start)
        }
        return key
    }

    private static func type(_ reader: inout ByteReader) throws(FormatError) -> GGUFValueType {
        let start = reader.byteOffset
        let number = try reader.integer(UInt32.self, "value type")
        guard let type = GGUFValueType(rawValue: number) else {
            throw FormatError(.ggufValueType, found: "type \(number)", expected: "0 to 12", byteOffset: start)
        }
        return type
    }

    private static func value(_ reader: inout ByteReader) throws(FormatError) -> GGUFValue {
        let type = try type(&reader)
        if type == .array { return try array(&reader) }
        return GGUFValue(elementType: type, arrayCount: nil, bytes: try elements(&reader, type, count: 1))
    }

    private static func array(_ reader: inout ByteReader) throws(FormatError) -> GGUFValue {
        let start = reader.byteOffset
        let type = try type(&reader)
        guard type != .array else {
            throw FormatError(
                .ggufNestedArray, found: "an array of arrays", expected: "an array of single values",
                byteOffset: start)
        }
        let count = try reader.count(
            "array length", unit: type.fixedByteCount ?? 8, limit: GGUFFile.maximumArrayCount,
            rule: .ggufArrayLength)
        return GGUFValue(
            elementType: type, arrayCount: count, bytes: try elements(&reader, type, count: count))
    }

    /// Limits the size: holes in a file take no space on the disk, but time to read.
    private static func checkSize(_ reader: ByteReader) throws(FormatError) {
        guard reader.position <= GGUFFile.maximumMetadataByteCount else {
            throw FormatError(
                .ggufMetadataCount, found: "metadata beyond byte \(GGUFFile.maximumMetadataByteCount)",
                expected: "the end of the metadata before", byteOffset: reader.byteOffset)
        }
    }

    /// The encoded bytes of `count` values; strings are skipped one by one, bools are checked, nothing is copied.
    private static func elements(
        _ reader: inout ByteReader, _ type: GGUFValueType, count: Int
    ) throws(FormatError) -> ByteView {
        if let size = type.fixedByteCount {
            // `count` is bounded by the remaining bytes, so the product cannot overflow.
            let bytes = try reader.bytes(count * size, "value")
            try checkSize(reader)
            if type == .bool, let index = bytes.firstIndex(where: { $0 > 1 }) {
                throw FormatError(
                    .ggufBool, found: "\(bytes[index])", expected: "0 or 1",
                    byteOffset: bytes.byteOffset + index)
            }
            return bytes
        }
        var walker = reader
        for _ in 0..<count {
            let length = try walker.count(
                "string length", unit: 1, limit: GGUFFile.maximumStringByteCount, rule: .ggufStringLength)
            _ = try walker.bytes(length, "string")
            try checkSize(walker)
        }
        return try reader.bytes(walker.position - reader.position, "strings")
    }
}
