// SPDX-License-Identifier: Apache-2.0
// Whole small files in memory: settings, prompts, text. Models are mapped instead (MappedFile).

import Glibc

/// The content of a file or a pipe. Devices other than terminals and `/dev/null` (which is empty) are refused, since most have
/// no end.
/// - Parameter limit: the maximum number of bytes.
/// - Throws: `FileError` if it cannot be opened or read, or has more than `limit` bytes.
package func readFile(path: String, limit: Int) throws(FileError) -> [UInt8] {
    try readToEnd(FileDescriptor(path: path, flags: O_RDONLY), limit: limit)
}

/// The content of a regular file; a pipe or a device in its place is refused without waiting for it.
/// - Parameter limit: the maximum number of bytes.
/// - Returns: the bytes, and the file's permissions.
/// - Throws: `FileError`, as `readFile` does, and for everything except regular files.
package func readRegularFile(
    path: String, limit: Int
) throws(FileError) -> (bytes: [UInt8], permissions: mode_t) {
    let file = try FileDescriptor(path: path, flags: O_RDONLY | O_NONBLOCK)
    let permissions = try file.statusOfRegularFile(for: .read).st_mode & 0o7777
    return (try readToEnd(file, limit: limit), permissions)
}

/// Reads standard input to its end.
/// - Throws: `FileError` if it cannot be read, or has more than `limit` bytes.
package func readStandardInput(limit: Int) throws(FileError) -> [UInt8] {
    let path = "standard input"
    let copy = retryingInterruptions { fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) }
    guard copy >= 0 else { throw FileError(path: path, operation: .read, code: errno) }
    return try readToEnd(FileDescriptor(owning: copy, path: path), limit: limit)
}

private func readToEnd(_ file: consuming FileDescriptor, limit: Int) throws(FileError) -> [UInt8] {
    precondition(limit >= 0, "readFile: a limit cannot be negative")
    // The sizes of pipes and of the system's own files are unknown, so the size is only a first estimate.
    let status = try file.status()
    try refuseDevice(status, file)
    guard status.st_mode & S_IFMT != S_IFREG || status.st_size <= limit else {
        throw tooLarge(file.path, limit)
    }
    let expected = min(Int(max(status.st_size, 0)), limit)
    let chunk = UnsafeMutableRawBufferPointer.allocate(
        byteCount: min(max(expected, 4096), 1 << 20), alignment: 16)
    defer { chunk.deallocate() }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(expected)
    while true {
        let count = try file.read(into: chunk)
        if count == 0 { return bytes }
        guard count <= limit - bytes.count else {
            throw tooLarge(file.path, limit)
        }
        bytes.append(contentsOf: chunk[..<count])
    }
}

private func tooLarge(_ path: String, _ limit: Int) -> FileError {
    FileError(
        path: path, operation: .read, code: EFBIG, advice: "at most \(limit) bytes are accepted here")
}

private func refuseDevice(_ status: stat, _ file: borrowing FileDescriptor) throws(FileError) {
    switch status.st_mode & S_IFMT {
    case S_IFCHR:
        var null = stat()
        if stat("/dev/null", &null) == 0, null.st_rdev == status.st_rdev { return }
        if isatty(file.number) == 1 { return }
    case S_IFBLK: break
    default: return
    }
    throw FileError(
        path: file.path, operation: .read, code: ESPIPE,
        advice: "this is a device, which may have no end; name a file or a pipe")
}
