// SPDX-License-Identifier: Apache-2.0
// A reader under test, and how inputs of several parts are made of one row of bytes.

import Commands
import Glibc
import Platform
import Terminal

/// What one kind of input goes through.
struct Reader: Sendable {
    let name: String
    /// Valid inputs, from which others are made.
    let seeds: @Sendable () throws -> [[UInt8]]
    /// Reads an input and uses all that was read.
    let run: @Sendable ([UInt8]) throws -> Void

    /// Reads hostile bytes: they may be refused, in a line that no terminal obeys.
    func read(_ bytes: [UInt8]) {
        let start = MonotonicClock.now()
        do { try run(bytes) } catch {
            let line = "\(error)".printableLine
            precondition(!line.isEmpty && !line.unicodeScalars.contains(where: \.steersTerminal))
        }
        longestTime = max(longestTime, MonotonicClock.now() - start)
    }
}

/// Seconds of the input that took longest; libFuzzer counts whole ones.
nonisolated(unsafe) private(set) var longestTime = 0.0

/// Keeps what was computed from being optimised away.
nonisolated(unsafe) private var sink = 0
@inline(never) func use(_ value: Int) { sink = sink &+ value }

/// An input of several parts. A mark stands between them, so that a part can grow and shrink by itself: lengths in front of
/// the parts would be wrong after most mutations.
enum Parts {
    private static let mark: [UInt8] = [0xFE, 0xED]

    static func joined(_ parts: [[UInt8]]) -> [UInt8] { Array(parts.joined(separator: mark)) }

    static func split(_ bytes: [UInt8]) -> [[UInt8]] {
        var parts: [[UInt8]] = [[]]
        var index = 0
        while index < bytes.count {
            if bytes[index...].starts(with: mark) {
                parts.append([])
                index += mark.count
            } else {
                parts[parts.count - 1].append(bytes[index])
                index += 1
            }
        }
        return parts
    }
}

// MARK: - Files

/// A folder in memory for readers that take paths; it goes with the system's temporary files.
let scratchFolder: String = {
    var template = Array("/dev/shm/tiller-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("no scratch folder: error \(errno)") }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    atexit { removeScratchFolder() }
    return path
}()

private func removeScratchFolder() { _ = system("rm -rf '\(scratchFolder)'") }

/// Writes a file; what is at the path is removed first, since another may have mapped it.
/// - Parameter zeroCount: bytes of zeros behind the others, which take no memory.
func writeFile(_ bytes: [UInt8], zeroCount: Int = 0, to path: String) {
    unlink(path)
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard file >= 0, write(file, bytes, bytes.count) == bytes.count,
        ftruncate(file, bytes.count + zeroCount) == 0
    else { fatalError("cannot write \(path): error \(errno)") }
    close(file)
}

/// A file of the repository, whose root is the current folder.
func fixture(_ path: String) -> [UInt8] {
    guard let file = fopen("Tests/Fixtures/\(path)", "rb") else { fatalError("no fixture \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
    return bytes
}
