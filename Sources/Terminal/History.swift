// SPDX-License-Identifier: Apache-2.0
// Earlier lines, kept in a file with one entry per line. The history is a convenience, so errors of reading and writing
// are ignored silently.

import Glibc
import Platform

/// The earlier lines, oldest first.
package struct History {
    /// Older entries are dropped.
    package static let maximumCount = 1000
    private static let maximumFileByteCount = 16 << 20

    package private(set) var entries: [String] = []
    private let path: String?

    /// - Parameter path: the file for reading and appending entries; nil for none.
    package init(path: String? = nil) {
        self.path = path
        guard let path, let bytes = try? readFile(path: path, limit: Self.maximumFileByteCount) else {
            return
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        entries = lines.suffix(Self.maximumCount).map(Self.decoded)
        // Rewrite only occasionally: entries are appended, also by other programs at the same time.
        if lines.count > 2 * Self.maximumCount { rewrite(path) }
    }

    /// Adds a line, unless it is empty or repeats the last one.
    package mutating func add(_ line: String) {
        guard line.contains(where: { !$0.isWhitespace }), line != entries.last else { return }
        entries.append(line)
        entries.removeFirst(max(entries.count - Self.maximumCount, 0))
        guard let path else { return }
        // Prompts are private.
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        writeAll(Self.encoded(line) + "\n", to: descriptor)
        close(descriptor)
    }

    private func rewrite(_ path: String) {
        let lines = entries.map { Self.encoded($0) + "\n" }.joined()
        guard let writer = try? AtomicFileWriter(path: path, replaceExisting: true),
            (try? writer.keepPrivate()) != nil, (try? writer.write(Array(lines.utf8))) != nil
        else { return }
        try? writer.commit()
    }

    /// An entry may contain line breaks, a line of the file may not.
    private static func encoded(_ line: String) -> String {
        var result = ""
        for scalar in line.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func decoded(_ line: Substring) -> String {
        var result = ""
        var isEscaped = false
        for scalar in line.unicodeScalars {
            if isEscaped {
                let meaning: Unicode.Scalar =
                    switch scalar {
                    case "n": "\n"
                    case "r": "\r"
                    default: scalar
                    }
                result.unicodeScalars.append(meaning)
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
