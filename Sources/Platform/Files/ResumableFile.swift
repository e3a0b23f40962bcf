// SPDX-License-Identifier: Apache-2.0
// A file that arrives in pieces and in any order, and of which nothing is lost if its program ends: `<path>.part` holds what
// has arrived, and after it a byte for each piece that is whole, and the identity of the whole. It gets its name last.

import Glibc

/// A file whose pieces are received one by one.
package final class ResumableFile {
    /// The final path of the file.
    package let path: String
    package let byteCount: Int
    private let pieceByteCount: Int
    private var isComplete: [Bool]
    private var file: OutputFile
    private var partPath: String { path + ".part" }

    /// Opens what has already arrived of a file, or begins it.
    ///
    /// - Parameters:
    ///   - pieceByteCount: the size of a piece; the last one may be smaller.
    ///   - identity: what tells this content from others, 32 bytes; what has arrived of another content is discarded.
    /// - Throws: `FileError`: with operation `.lock` if another process receives the file, with `ENOSPC` if there is no room.
    /// - Precondition: `byteCount` is at least 0 and `pieceByteCount` at least 1.
    package init(path: String, byteCount: Int, pieceByteCount: Int, identity: [UInt8]) throws(FileError) {
        precondition(
            byteCount >= 0 && pieceByteCount > 0 && identity.count == 32, "ResumableFile: no such file")
        try OutputTarget.check(path, replaceExisting: true)
        self.path = path
        self.byteCount = byteCount
        self.pieceByteCount = pieceByteCount
        let count = (byteCount + pieceByteCount - 1) / pieceByteCount
        while true {
            let descriptor = try FileDescriptor(
                path: path + ".part", flags: O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, operation: .create)
            let status = try descriptor.statusOfRegularFile(for: .open)
            try descriptor.lockExclusively(waits: false)
            // The previous holder of the lock may have completed or removed it.
            guard try descriptor.isStillAtPath() else { continue }
            var trailer = [UInt8](repeating: 0, count: count + identity.count)
            let size = trailer.count
            let read = trailer.withUnsafeMutableBytes { bytes in
                retryingInterruptions { pread(descriptor.number, bytes.baseAddress, size, off_t(byteCount)) }
            }
            let isSame =
                Int(status.st_size) == byteCount + size && read == size
                && trailer.suffix(identity.count) == identity[...]
            isComplete = (0..<count).map { isSame && trailer[$0] == 1 }
            let present = isSame ? Int(status.st_blocks) * 512 : 0
            do throws(FileError) { try Self.requireRoom(byteCount + size - present, descriptor) } catch {
                if !isSame { unlink(path + ".part") }
                throw error
            }
            file = OutputFile(descriptor, fault: nil)
            guard !isSame else { return }
            try file.truncate(to: 0)
            let fresh = [UInt8](repeating: 0, count: count) + identity
            try Self.write(fresh, at: byteCount, to: &file)
            return
        }
    }

    private static func requireRoom(_ needed: Int, _ descriptor: borrowing FileDescriptor) throws(FileError) {
        var system = statvfs()
        guard needed > 0, fstatvfs(descriptor.number, &system) == 0 else { return }
        let free = UInt64(system.f_bavail).multipliedReportingOverflow(by: UInt64(system.f_frsize))
        guard !free.overflow, free.partialValue < UInt64(needed) else { return }
        throw FileError(
            path: descriptor.path, operation: .write, code: ENOSPC,
            advice: "\(needed) more bytes are needed, \(free.partialValue) are free; free some space")
    }

    private static func write(
        _ bytes: [UInt8], at byteOffset: Int, to file: inout OutputFile
    ) throws(FileError) {
        try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
            try file.write(UnsafeRawBufferPointer(bytes), at: byteOffset)
        }
    }

    /// The pieces that have not arrived yet, as byte ranges in ascending order.
    package var missing: [Range<Int>] {
        isComplete.indices.filter { !isComplete[$0] }.map { index in
            index * pieceByteCount..<min((index + 1) * pieceByteCount, byteCount)
        }
    }

    /// Writes bytes at their position in the file.
    /// - Precondition: they are within the file.
    package func write(_ bytes: UnsafeRawBufferPointer, at byteOffset: Int) throws(FileError) {
        precondition(
            byteOffset >= 0 && bytes.count <= byteCount - byteOffset, "ResumableFile: written behind its end")
        try file.write(bytes, at: byteOffset)
    }

    /// Records that all pieces within a range have arrived.
    package func complete(_ range: Range<Int>) throws(FileError) {
        for piece in missing where range.contains(piece.lowerBound) && piece.upperBound <= range.upperBound {
            let index = piece.lowerBound / pieceByteCount
            try Self.write([1], at: byteCount + index, to: &file)
            isComplete[index] = true
        }
    }

    /// Maps the file's bytes, followed by those that describe it.
    package func map() throws(FileError) -> MappedFile {
        try MappedFile(fileDescriptor: file.descriptor.number, path: partPath)
    }

    /// Gives the whole file its name, after it is on the disk.
    /// - Precondition: nothing is missing, and no mapping is in use.
    package func commit() throws(FileError) {
        precondition(missing.isEmpty, "ResumableFile: committed with missing pieces")
        try file.truncate(to: byteCount)
        try file.synchronize()
        guard rename(partPath, path) == 0 else {
            throw FileError(path: path, operation: .replace, code: errno)
        }
        file.close()
        try AtomicFileWriter.synchronizeFolder(of: path)
    }

    /// Discards everything that has arrived.
    package func discard() {
        unlink(partPath)
        file.close()
    }
}
