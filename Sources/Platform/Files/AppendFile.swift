// SPDX-License-Identifier: Apache-2.0
// Updates of a file that others may be reading: one writer at a time, and each step is on the disk before the
// next one relies on it. The format decides which steps keep the file valid at every moment.

import Glibc

/// An existing file opened for update, under an exclusive lock that lasts until `close`.
///
/// Readers take no lock: a mapping of the file stays valid as long as no part in use is cut off.
package final class AppendFile {
    /// The path as it was given.
    package let path: String
    /// The file's present size.
    package private(set) var byteCount: Int
    private var file: OutputFile

    /// Opens the regular file at `path`.
    /// - Parameters:
    ///   - waitsForLock: whether to wait while another process updates the file, or to throw.
    ///   - fault: The simulated fault, for tests.
    /// - Throws: `FileError`; with operation `.lock` when the file is in use.
    package init(
        path: String, waitsForLock: Bool = false, fault: SimulatedFault? = nil
    ) throws(FileError) {
        while true {
            let descriptor = try FileDescriptor(path: path, flags: O_RDWR)
            _ = try descriptor.statusOfRegularFile(for: .open)
            try descriptor.lockExclusively(waits: waitsForLock)
            // The previous holder of the lock may have put another file in its place.
            guard try descriptor.isStillAtPath() else { continue }
            self.path = path
            byteCount = Int(try descriptor.status().st_size)
            file = OutputFile(descriptor, fault: fault)
            return
        }
    }

    /// The file's path without symbolic links, for callers that replace the file itself.
    /// - Throws: `FileError` if it no longer exists.
    package func resolvedPath() throws(FileError) -> String {
        guard let resolved = realpath(path, nil) else {
            throw FileError(path: path, operation: .inspect, code: errno)
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Writes all of `bytes` at `byteOffset`, extending the file where needed.
    /// - Throws: `FileError`; a part of the bytes may have been written.
    package func write(_ bytes: UnsafeRawBufferPointer, at byteOffset: Int) throws(FileError) {
        do throws(FileError) {
            try file.write(bytes, at: byteOffset)
            if !bytes.isEmpty { byteCount = max(byteCount, byteOffset + bytes.count) }
        } catch {
            // Only the system knows how many bytes reached the file.
            byteCount = (try? file.descriptor.status()).map { Int($0.st_size) } ?? byteCount
            throw error
        }
    }

    /// Waits until everything written is on the disk.
    /// - Throws: `FileError`; everything written since the last flush may then be lost.
    package func synchronize() throws(FileError) { try file.synchronize() }

    /// Releases the lock and closes the file, even if the object stays alive.
    package func close() { file.close() }

    /// Cuts the file to `newByteCount`, or extends it with zeros.
    package func truncate(to newByteCount: Int) throws(FileError) {
        try file.truncate(to: newByteCount)
        byteCount = newByteCount
    }
}
