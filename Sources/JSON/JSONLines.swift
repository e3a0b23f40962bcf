// SPDX-License-Identifier: Apache-2.0
// JSON lines: one value per line, the usual form of data sets. Blank lines are skipped.

import Glibc

/// The rows of a text of JSON lines, read one at a time.
///
///     var rows = JSONLines(bytes)
///     while let row = try rows.next() { … row.line, row.value … }
package struct JSONLines: Sendable {
    /// One row.
    package struct Row: Sendable {
        /// The line of the text, from 1, counting blank lines.
        package let line: Int
        package let value: JSON
    }

    private let bytes: [UInt8]
    private var position = 0
    private var line = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Reads the next row, or returns nil at the end.
    ///
    /// After an error, the next call reads the following row.
    ///
    /// - Throws: The error of a row, whose `line` is the row's and whose `byteOffset` counts from
    ///   the start of the whole text.
    package mutating func next() throws(JSONError) -> Row? {
        while position < bytes.count {
            let start = position
            let end = endOfLine(from: start)
            position = min(end + 1, bytes.count)
            line += 1
            guard !isBlank(start..<end) else { continue }
            let value = try bytes.withUnsafeBufferPointer { (text) throws(JSONError) -> JSON in
                var parser = JSONParser(
                    text: UnsafeRawBufferPointer(text), range: start..<end, maximumDepth: 128,
                    duplicateKeys: .lastWins)
                if start == 0 { parser.skipByteOrderMark() }
                return try parser.parseText()
            }
            return Row(line: line, value: value)
        }
        return nil
    }

    private func endOfLine(from start: Int) -> Int {
        bytes.withUnsafeBytes { text in
            guard let base = text.baseAddress,
                let found = memchr(base + start, 0x0A, text.count - start)
            else { return text.count }
            return UnsafeRawPointer(found) - base
        }
    }

    private func isBlank(_ range: Range<Int>) -> Bool {
        bytes[range].allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    }
}
