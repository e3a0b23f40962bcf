// SPDX-License-Identifier: Apache-2.0
// A syntax error in a JSON text: its position, what was found and what was expected.

/// A text that is not valid JSON.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A description of the text at the position.
    package let found: String
    /// A description of the valid text at that position.
    package let expected: String
    /// Bytes from the start of the text.
    package let byteOffset: Int
    /// Line, from 1; in JSON lines, the line of the row.
    package let line: Int
    /// Unicode scalars from the start of the line, from 1.
    package let column: Int

    package var description: String {
        "line \(line), column \(column) (byte \(byteOffset)): found \(found), expected \(expected)"
    }

    /// Counts lines and columns only when an error occurs, so that parsing need not track them.
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
