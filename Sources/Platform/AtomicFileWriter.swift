// SPDX-License-Identifier: Apache-2.0
// A new file appears under its name whole, or not at all: it grows under a second name beside its place and
// is renamed when everything is on the disk.

import CPlatform
import Glibc

/// Writes `<path>.partial`, which becomes `path` on `commit` and is removed otherwise.
///
/// A lock on the partial file keeps two writers of the same path apart. A partial file that nobody has
/// locked was left by a program that died; it is taken over. If `path` is a symbolic link to a file, the link
/// is replaced, not what it leads to.
package final class AtomicFileWriter {
    /// What the name ends in until `commit`.
    static let suffix = ".partial"

    /// Where the file will be.
    package let path: String
    /// Where the next `write` without a position goes; in the end, how much was written in order.
    package private(set) var byteOffset = 0
    /// What of that has not reached the file yet: the rest of a block.
    private var block: [UInt8] = []
    private let partialPath: String
    private let replacesExisting: Bool
    private var file: OutputFile
    private var isOpen = true

    /// Begins the file; nothing at `path` changes before `commit`.
    /// - Parameters:
    ///   - replaceExisting: whether a file at `path` may be replaced.
    ///   - fault: what goes wrong, for tests.
    /// - Throws: `FileError` if `path` exists and may not be replaced, leads to no regular file, cannot be
    ///   written, or is being written by another process.
    package init(path: String, replaceExisting: Bool, fault: SimulatedFault? = nil) throws(FileError) {
        self.path = path
        partialPath = path + Self.suffix
        replacesExisting = replaceExisting
        try OutputTarget.check(path, replaceExisting: replaceExisting)
        while true {
            let descriptor = try FileDescriptor(
                path: partialPath, flags: O_RDWR | O_CREAT | O_NOFOLLOW, operation: .create)
            _ = try descriptor.statusOfRegularFile(for: .create)
            try descriptor.lockExclusively(waits: false)
            // Between opening and locking, another writer may have renamed or removed it.
            guard try descriptor.isStillAtPath() else { continue }
            file = OutputFile(descriptor, fault: fault)
            break
        }
        do throws(FileError) {
            try file.truncate(to: 0)
        } catch {
            cancel()
            throw error
        }
    }

    deinit { cancel() }

    /// Writes all of `bytes` at `byteOffset`, which advances by their number.
    /// - Throws: `FileError`, here or later, since bytes wait until their block is full; the file can then only be
    ///   cancelled.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        precondition(isOpen, "AtomicFileWriter: written to after its end")
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Self.blockByteCount - byteOffset % Self.blockByteCount)
            block += piece
            byteOffset += piece.count
            rest = rest.dropFirst(piece.count)
            if byteOffset % Self.blockByteCount == 0 { try writeBlock() }
        }
    }

    /// Writes all of `bytes` at a position, as for a header whose content is known last.
    /// `byteOffset` stays where it is.
    package func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(FileError) {
        precondition(isOpen, "AtomicFileWriter: written to after its end")
        try writeBlock()
        try file.write(bytes, at: position)
    }

    /// A file that is written in whole large pages lies in the page cache as such, in file systems that have them, and
    /// whoever maps it gets them: 140 MB take 0.5 ms to map instead of 17.
    private static var blockByteCount: Int { LargePage.byteCount }

    private func writeBlock() throws(FileError) {
        defer { block.removeAll(keepingCapacity: true) }
        try block.withUnsafeBufferPointer { bytes throws(FileError) in
            try file.write(UnsafeRawBufferPointer(bytes), at: byteOffset - bytes.count)
        }
    }

    /// Lets everybody execute the file who may read it.
    /// - Throws: `FileError`.
    package func allowExecution() throws(FileError) {
        let mode = try file.descriptor.status().st_mode & 0o777
        guard fchmod(file.descriptor.number, mode | (mode & 0o444) >> 2) == 0 else {
            throw FileError(path: path, operation: .create, code: errno)
        }
    }

    /// Lets nobody but the owner read the file.
    /// - Throws: `FileError`.
    package func keepPrivate() throws(FileError) {
        guard fchmod(file.descriptor.number, 0o600) == 0 else {
            throw FileError(path: path, operation: .create, code: errno)
        }
    }

    /// Puts the file in its place, once it is on the disk.
    /// - Throws: `FileError`; nothing at `path` has changed then, unless the operation is `.synchronize` of
    ///   the folder: the file is in place, but a power failure might still undo that.
    package func commit() throws(FileError) {
        precondition(isOpen, "AtomicFileWriter: committed after its end")
        try writeBlock()
        try file.synchronize()
        try file.begin(.replace)
        try Self.rename(partialPath, to: path, replacesExisting: replacesExisting)
        isOpen = false
        try file.begin(.synchronize)
        try Self.synchronizeFolder(of: path)
    }

    static func rename(_ name: String, to path: String, replacesExisting: Bool) throws(FileError) {
        // Writing took a while; what may not be replaced may be there by now.
        try OutputTarget.check(path, replaceExisting: replacesExisting)
        if !replacesExisting {
            if platform_rename_exclusive(name, path) == 0 { return }
            // Not every file system can do that; the check above leaves others a moment to interfere.
            guard errno == EINVAL || errno == ENOSYS else {
                throw FileError(path: path, operation: .create, code: errno)
            }
        }
        guard Glibc.rename(name, path) == 0 else {
            throw FileError(path: path, operation: .replace, code: errno)
        }
    }

    static func synchronizeFolder(of path: String) throws(FileError) {
        let folder = OutputTarget.folder(of: path)
        let descriptor = try FileDescriptor(path: folder, flags: O_RDONLY | O_DIRECTORY)
        // Some file systems cannot flush a folder, and say so.
        guard retryingInterruptions({ fsync(descriptor.number) }) == 0 || errno == EINVAL else {
            throw FileError(path: folder, operation: .synchronize, code: errno)
        }
    }

    /// Removes what was written so far; does nothing after `commit`.
    package func cancel() {
        guard isOpen else { return }
        isOpen = false
        if !file.faults.hasCrashed { unlink(partialPath) }
    }
}

extension AtomicFileWriter {
    /// Writes all of `bytes` at `byteOffset`, which advances by their number.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
            try write(UnsafeRawBufferPointer(bytes))
        }
    }

    /// Writes all of `bytes` at a position; `byteOffset` stays where it is.
    package func write(_ bytes: [UInt8], at position: Int) throws(FileError) {
        try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
            try write(UnsafeRawBufferPointer(bytes), at: position)
        }
    }
}
