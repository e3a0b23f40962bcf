// SPDX-License-Identifier: Apache-2.0
// Shared by both writers: complete writes at positions, flushing, truncating; each succeeds or throws.

import Glibc

/// An open file for writes at positions.
struct OutputFile: ~Copyable {
    var descriptor: FileDescriptor
    var faults: FaultProgress

    var path: String { descriptor.path }

    init(_ descriptor: consuming FileDescriptor, fault: SimulatedFault?) {
        self.descriptor = descriptor
        faults = FaultProgress(fault)
    }

    /// Releases the lock and closes the file.
    mutating func close() { descriptor.close() }

    /// Counts an operation towards the simulated fault.
    mutating func begin(_ operation: FileError.Operation) throws(FileError) {
        guard let code = faults.beginOperation() else { return }
        throw FileError(path: path, operation: operation, code: code, advice: "simulated")
    }

    /// Writes all of `bytes` at `byteOffset`.
    /// - Throws: `FileError`; a part of the bytes may have been written.
    mutating func write(_ bytes: UnsafeRawBufferPointer, at byteOffset: Int) throws(FileError) {
        precondition(byteOffset >= 0, "a position in a file cannot be negative")
        guard !bytes.isEmpty else { return }
        try begin(.write)
        let admitted = faults.admit(bytes.count)
        var done = 0
        while done < admitted.byteCount {
            let count = retryingInterruptions {
                pwrite(
                    descriptor.number, bytes.baseAddress.map { $0 + done }, admitted.byteCount - done,
                    off_t(byteOffset + done))
            }
            // Zero is not an error to the system, but would repeat forever.
            guard count > 0 else {
                throw writeError(code: count < 0 ? errno : EIO, missingByteCount: bytes.count - done)
            }
            done += count
        }
        guard done == bytes.count else {
            throw writeError(code: admitted.code, missingByteCount: bytes.count - done)
        }
    }

    private func writeError(code: Int32, missingByteCount: Int) -> FileError {
        guard code == ENOSPC || code == EDQUOT else {
            return FileError(path: path, operation: .write, code: code)
        }
        var system = statvfs()
        var room = ""
        if fstatvfs(descriptor.number, &system) == 0 {
            let free = UInt64(system.f_bavail).multipliedReportingOverflow(by: UInt64(system.f_frsize))
            if !free.overflow { room = ", \(free.partialValue) are free" }
        }
        return FileError(
            path: path, operation: .write, code: code,
            advice: "this write needs \(missingByteCount) more bytes\(room); "
                + "free some space or write to another disk")
    }

    /// Waits until everything written is on the disk.
    mutating func synchronize() throws(FileError) {
        try begin(.synchronize)
        guard retryingInterruptions({ fsync(descriptor.number) }) == 0 else {
            throw FileError(path: path, operation: .synchronize, code: errno)
        }
    }

    /// Cuts the file to `byteCount`, or extends it with zeros.
    mutating func truncate(to byteCount: Int) throws(FileError) {
        precondition(byteCount >= 0, "a file cannot have a negative size")
        try begin(.truncate)
        guard retryingInterruptions({ ftruncate(descriptor.number, off_t(byteCount)) }) == 0 else {
            throw FileError(path: path, operation: .truncate, code: errno)
        }
    }
}
