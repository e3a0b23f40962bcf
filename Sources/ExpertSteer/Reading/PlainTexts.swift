// SPDX-License-Identifier: Apache-2.0
// Reads unlabelled texts from a file (formats/activations.md §3): alignment of two models needs no labels.

import Evaluation
import JSON
import Tiller

/// Reads files of plain texts.
package enum PlainTexts {
    /// Shorter texts, mostly headings, carry little information.
    static let leastByteCount = 32

    /// The texts in a file's bytes: the strings at "text" in JSON lines, otherwise the paragraphs between blank lines.
    ///
    /// - Parameter fileName: its extension determines the format; errors name it.
    /// - Throws: `TillerError.invalidOption` that names the file, the row and what it lacks.
    package static func read(_ bytes: [UInt8], fileName: String) throws(TillerError) -> [String] {
        let texts = fileName.hasSuffix(".jsonl") ? try rows(bytes, fileName) : try paragraphs(bytes, fileName)
        guard !texts.isEmpty else {
            throw .invalidOption(
                "\(fileName) holds no text of at least \(leastByteCount) bytes; blank lines separate texts")
        }
        return texts
    }

    private static func rows(_ bytes: [UInt8], _ fileName: String) throws(TillerError) -> [String] {
        var texts: [String] = []
        var rows = JSONLines(bytes)
        while let row = try rows.next(of: fileName) {
            guard let text = row.value["text"]?.stringValue, !text.isEmpty else {
                throw .invalidOption(
                    "\(fileName), line \(row.line): expected an object with a string at 'text'")
            }
            texts.append(text)
        }
        return texts
    }

    private static func paragraphs(_ bytes: [UInt8], _ fileName: String) throws(TillerError) -> [String] {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalidOption("\(fileName) is not UTF-8 text")
        }
        var texts: [String] = []
        var lines: [Substring.UTF8View] = []
        func finish() {
            let text = lines.map { String(Substring($0)) }.joined(separator: " ")
            if text.utf8.count >= leastByteCount { texts.append(text) }
            lines = []
        }
        for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let trimmed = trimming(line)
            if trimmed.isEmpty { finish() } else { lines.append(trimmed) }
        }
        finish()
        return texts
    }

    /// Removes spaces, tabs and carriage returns at both ends.
    private static func trimming(_ line: Substring.UTF8View) -> Substring.UTF8View {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        var line = line.drop(while: isSpace)
        while let last = line.last, isSpace(last) { line.removeLast() }
        return line
    }
}
