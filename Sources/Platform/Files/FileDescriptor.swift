// SPDX-License-Identifier: Apache-2.0
// An open file that closes itself, and system calls on it that handle interruptions and short counts.

import Glibc

/// Repeats `body` as long as a signal interrupts it.
func retryingInterruptions<Result: SignedInteger>(_ body: () -> Result) -> Result {
    while true {
        let result = body()
        if result != -1 || errno != EINTR { return result }
    }
}

/// An open file; closes itself.
struct FileDescriptor: ~Copyable {
    private(set) var number: Int32
    /// The path as it was given, for errors.
    let path: String

    /// Takes over an open descriptor.
    init(owning number: Int32, path: String) {
        self.number = number
        self.path = path
    }

    /// Opens `path`; other programs that this process starts do not inherit the descriptor.
    init(
        path: String, flags: Int32, mode: mode_t = 0o666, operation: FileError.Operation = .open
    ) throws(FileError) {
        guard !path.utf8.contains(0) else {
            throw FileError(path: path, operation: operation, code: EINVAL, advice: "a path has no NUL byte")
        }
        let number = retryingInterruptions { open(path, flags | O_CLOEXEC, mode) }
        guard number >= 0 else { throw FileError(path: path, operation: operation, code: errno) }
        self.init(owning: number, path: path)
    }

    deinit { if number >= 0 { Glibc.close(number) } }

    /// Releases the lock and closes the file. The lock alone would last as long as any mapping of this open file.
    mutating func close() {
        guard number >= 0 else { return }
        flock(number, LOCK_UN)
        Glibc.close(number)
        number = -1
    }

    /// The file's status from the system.
    func status() throws(FileError) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else {
            throw FileError(path: path, operation: .inspect, code: errno)
        }
        return status
    }

    /// Its status, if it is a regular file.
    /// - Throws: `FileError` for folders, pipes and devices: their bytes have no positions.
    func statusOfRegularFile(for operation: FileError.Operation) throws(FileError) -> stat {
        let status = try status()
        switch status.st_mode & S_IFMT {
        case S_IFREG: return status
        case S_IFDIR: throw FileError(path: path, operation: operation, code: EISDIR)
        default:
            throw FileError(
                path: path, operation: operation, code: ESPIPE,
                advice: "this is a pipe or a device; name a regular file")
        }
    }

    /// Reads up to `buffer.count` bytes from the current position; 0 at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        let count = retryingInterruptions { Glibc.read(number, buffer.baseAddress, buffer.count) }
        guard count >= 0 else { throw FileError(path: path, operation: .read, code: errno) }
        return count
    }

    /// Whether `path` still leads to this open file, or has been renamed or removed meanwhile.
    func isStillAtPath() throws(FileError) -> Bool { try isStillAt(path) }

    /// Whether a name leads to this open file.
    func isStillAt(_ name: String) throws(FileError) -> Bool {
        let mine = try status()
        var there = stat()
        guard stat(name, &there) == 0 else { return false }
        return mine.st_dev == there.st_dev && mine.st_ino == there.st_ino
    }

    /// Takes the exclusive lock of this open file; closing the file releases it.
    /// - Throws: `FileError` with `EWOULDBLOCK` if another open file holds it and `waits` is false.
    func lockExclusively(waits: Bool) throws(FileError) {
        var result = retryingInterruptions { flock(number, waits ? LOCK_EX : LOCK_EX | LOCK_NB) }
        // A starting child process holds a copy of every lock until it runs its own program.
        var attemptsLeft = waits ? 0 : 20
        while result != 0, errno == EWOULDBLOCK, attemptsLeft > 0 {
            usleep(5_000)
            attemptsLeft -= 1
            result = retryingInterruptions { flock(number, LOCK_EX | LOCK_NB) }
        }
        guard result == 0 else { throw FileError(path: path, operation: .lock, code: errno) }
    }
}
