// SPDX-License-Identifier: Apache-2.0
// What was wrong with a JSON text, and where.

/// A text that is not valid JSON.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What stands at the position, in words.
    package let found: String
    /// What would have been right there, in words.
    package let expected: String
    /// Bytes from the start of the text.
    package let byteOffset: Int
    /// Line, from 1; in JSON lines the number of the row.
    package let line: Int
    /// Unicode scalars from the start of the line, from 1.
    package let column: Int

    package var description: String {
        "line \(line), column \(column) (byte \(byteOffset)): found \(found), expected \(expected)"
    }

    /// Lines and columns are counted here, once, so that parsing need not keep them.
    init(found: String, expected: String, in text: UnsafeRawBufferPointer, at byteOffset: Int) {
        self.found = found
        self.expected = expected
        self.byteOffset = byteOffset
        var line = 1
        var column = 1
        for byte in text[..<min(byteOffset, text.count)] {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {  // continuation bytes belong to the scalar before
                column += 1
            }
        }
        self.line = line
        self.column = column
    }

    /// The byte at an offset as a reader would name it.
    static func describe(_ text: UnsafeRawBufferPointer, at offset: Int, end: Int) -> String {
        guard offset < end else { return "the end of the text" }
        let byte = text[offset]
        switch byte {
        case 0x20..<0x7F: return "'\(Character(Unicode.Scalar(byte)))'"
        case UInt8(ascii: "\n"), UInt8(ascii: "\r"): return "the end of the line"
        case UInt8(ascii: "\t"): return "a tab"
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            return "byte 0x\(digits.utf8.count < 2 ? "0" : "")\(digits)"
        }
    }
}
