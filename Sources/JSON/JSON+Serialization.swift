// SPDX-License-Identifier: Apache-2.0
// Values to text. Doubles are written with the fewest digits that read back as the same value.

extension JSON {
    /// The value as JSON text, with members in insertion order.
    ///
    /// Non-finite numbers have no JSON form and become `null`.
    ///
    /// - Parameters:
    ///   - pretty: Writes one member or element per line, indented by two spaces; otherwise no white space.
    ///   - escapeNonASCII: Writes non-ASCII scalars as `\u` escapes.
    ///   - escapeSlashes: Writes `/` as `\/`, for text inside HTML.
    /// - Returns: The text.
    package func serialized(
        pretty: Bool = false, escapeNonASCII: Bool = false, escapeSlashes: Bool = false
    ) -> String {
        String(
            decoding: serializedBytes(
                pretty: pretty, escapeNonASCII: escapeNonASCII, escapeSlashes: escapeSlashes),
            as: UTF8.self)
    }

    /// The UTF-8 bytes of `serialized(pretty:escapeNonASCII:escapeSlashes:)`.
    package func serializedBytes(
        pretty: Bool = false, escapeNonASCII: Bool = false, escapeSlashes: Bool = false
    ) -> [UInt8] {
        var writer = JSONWriter(
            isPretty: pretty, escapesNonASCII: escapeNonASCII, escapesSlashes: escapeSlashes)
        writer.write(self, depth: 0)
        return writer.bytes
    }
}

private struct JSONWriter {
    let isPretty: Bool
    let escapesNonASCII: Bool
    let escapesSlashes: Bool
    var bytes: [UInt8] = []

    mutating func write(_ value: JSON, depth: Int) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .integer(let value): append(value.description)
        case .number(let value): append(value.isFinite ? value.description : "null")
        case .string(let value): write(value)
        case .array(let elements):
            writeList(elements, "[", "]", depth) { writer, element in writer.write(element, depth: depth + 1)
            }
        case .object(let object):
            writeList(object.members, "{", "}", depth) { writer, member in
                writer.write(member.key)
                writer.append(writer.isPretty ? ": " : ":")
                writer.write(member.value, depth: depth + 1)
            }
        }
    }

    private mutating func writeList<Item>(
        _ items: [Item], _ opening: String, _ closing: String, _ depth: Int,
        _ writeItem: (inout JSONWriter, Item) -> Void
    ) {
        append(opening)
        for (index, item) in items.enumerated() {
            if index > 0 { append(",") }
            breakLine(depth + 1)
            writeItem(&self, item)
        }
        if !items.isEmpty { breakLine(depth) }
        append(closing)
    }

    private mutating func breakLine(_ depth: Int) {
        guard isPretty else { return }
        append("\n")
        for _ in 0..<depth { append("  ") }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func write(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        if escapesNonASCII {
            for scalar in text.unicodeScalars {
                if scalar.isASCII {
                    writeEscaped(UInt8(scalar.value))
                } else {
                    for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter { writeUnit(unit) }
                }
            }
        } else {
            for byte in text.utf8 { writeEscaped(byte) }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func writeEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append("\\\"")
        case UInt8(ascii: "\\"): append("\\\\")
        case UInt8(ascii: "/") where escapesSlashes: append("\\/")
        case 0x08: append("\\b")
        case 0x0C: append("\\f")
        case 0x0A: append("\\n")
        case 0x0D: append("\\r")
        case 0x09: append("\\t")
        case 0x00..<0x20: writeUnit(UInt16(byte))
        default: bytes.append(byte)
        }
    }

    private mutating func writeUnit(_ unit: UInt16) {
        append("\\u")
        for shift in [12, 8, 4, 0] as [UInt16] {
            let digit = UInt8(unit >> shift & 15)
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
