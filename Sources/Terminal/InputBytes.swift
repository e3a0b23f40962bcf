// SPDX-License-Identifier: Apache-2.0
// Standard input, read in blocks; bytes of later lines are kept for them.

import Glibc
import Platform

/// The bytes of standard input in order.
struct InputBytes {
    private var bytes: [UInt8] = []
    private var position = 0

    /// Whether the next byte is not available yet.
    var isEmpty: Bool { position == bytes.count && !wait(milliseconds: 0) }

    /// Waits for input; false after the timeout.
    func wait(milliseconds: Int32) -> Bool {
        if position < bytes.count { return true }
        var request = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }

    /// The next byte; nil at the end of the input.
    mutating func next() -> UInt8? {
        while position == bytes.count {
            guard let count = fill() else { continue }
            if count == 0 { return nil }
        }
        position += 1
        return bytes[position - 1]
    }

    /// Limit for the lines of a pipe.
    static let maximumLineByteCount = 64 << 20

    /// The next line without its line ending, "\n" or "\r\n".
    mutating func readPlainLine() -> LineEditor.Result {
        var line: [UInt8] = []
        while true {
            if let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) {
                line += bytes[position..<end]
                position = end + 1
                return .line(Self.text(line))
            }
            line += bytes[position...]
            position = bytes.count
            guard line.count <= Self.maximumLineByteCount else { return .tooLong }
            switch fill() {
            case nil: if Interrupt.isRequested { return .interrupted }
            case 0: return line.isEmpty ? .endOfInput : .line(Self.text(line))
            default: break
            }
        }
    }

    /// Reads the available input and returns its size, 0 at the end; nil if a signal came first.
    private mutating func fill() -> Int? {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = read(STDIN_FILENO, &chunk, chunk.count)
        if count < 0 && errno == EINTR { return nil }
        // Treat an input that cannot be read as ended.
        bytes = Array(chunk.prefix(max(count, 0)))
        position = 0
        return bytes.count
    }

    private static func text(_ line: [UInt8]) -> String {
        String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...], as: UTF8.self)
    }
}
