// SPDX-License-Identifier: Apache-2.0
// Changing a file that others may be reading: one writer at a time, and each step on the disk before the
// next one relies on it. Which steps keep the file valid at every moment is the format's business.

import Glibc

/// An existing file opened for update, under an exclusive lock that lasts until `close`.
///
/// Readers take no lock: a mapping of the file stays valid as long as nothing that it uses is cut off.
package final class AppendFile {
    /// The path as it was given.
    package let path: String
    /// The file's present size.
    package private(set) var byteCount: Int
    private var file: OutputFile

    /// Opens the regular file at `path`.
    /// - Parameters:
    ///   - waitsForLock: whether to wait while another process updates the file, or to throw.
    ///   - fault: what goes wrong, for tests.
    /// - Throws: `FileError`; with operation `.lock` when the file is in use.
    package init(
        path: String, waitsForLock: Bool = false, fault: SimulatedFault? = nil
    ) throws(FileError) {
        while true {
            let descriptor = try FileDescriptor(path: path, flags: O_RDWR)
            _ = try descriptor.statusOfRegularFile(for: .open)
            try descriptor.lockExclusively(waits: waitsForLock)
            // Whoever held the lock may have put another file in its place.
            guard try descriptor.isStillAtPath() else { continue }
            self.path = path
            byteCount = Int(try descriptor.status().st_size)
            file = OutputFile(descriptor, fault: fault)
            return
        }
    }

    /// The file's path without symbolic links, for who replaces the file itself.
    /// - Throws: `FileError` where it is gone.
    package func resolvedPath() throws(FileError) -> String {
        guard let resolved = realpath(path, nil) else {
            throw FileError(path: path, operation: .inspect, code: errno)
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Fills `buffer` from `byteOffset`.
    /// - Throws: `FileError`, also when the file ends before.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at byteOffset: Int) throws(FileError) {
        precondition(byteOffset >= 0, "AppendFile: a position cannot be negative")
        var done = 0
        while done < buffer.count {
            let count = retryingInterruptions {
                pread(
                    file.descriptor.number, buffer.baseAddress.map { $0 + done }, buffer.count - done,
                    off_t(byteOffset + done))
            }
            guard count >= 0 else { throw FileError(path: path, operation: .read, code: errno) }
            guard count > 0 else {
                throw FileError(
                    path: path, operation: .read, code: EIO,
                    advice: "expected \(buffer.count) bytes at \(byteOffset), found \(done)")
            }
            done += count
        }
    }

    /// Writes all of `bytes` at `byteOffset`, extending the file where needed.
    /// - Throws: `FileError`; a part of the bytes may have been written.
    package func write(_ bytes: UnsafeRawBufferPointer, at byteOffset: Int) throws(FileError) {
        do throws(FileError) {
            try file.write(bytes, at: byteOffset)
            if !bytes.isEmpty { byteCount = max(byteCount, byteOffset + bytes.count) }
        } catch {
            // How much of it got there, only the system knows.
            byteCount = (try? file.descriptor.status()).map { Int($0.st_size) } ?? byteCount
            throw error
        }
    }

    /// Writes all of `bytes` at `byteOffset`, extending the file where needed.
    package func write(_ bytes: [UInt8], at byteOffset: Int) throws(FileError) {
        try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
            try write(UnsafeRawBufferPointer(bytes), at: byteOffset)
        }
    }

    /// Waits until everything written is on the disk.
    /// - Throws: `FileError`; what was written since the last flush may then be lost.
    package func synchronize() throws(FileError) { try file.synchronize() }

    /// Ends the lock and closes the file, also where the object lives on.
    package func close() { file.close() }

    /// Cuts the file to `newByteCount`, or fills it up with zeros.
    package func truncate(to newByteCount: Int) throws(FileError) {
        try file.truncate(to: newByteCount)
        byteCount = newByteCount
    }
}
