// SPDX-License-Identifier: Apache-2.0
// A new file appears under its name complete, or not at all. Until then it has no name, or a temporary name in the same folder;
// it gets its final name after everything is on the disk.

import Glibc

/// Writes a file that becomes `path` on `commit` and disappears otherwise.
///
/// Several writers may write one path at once: the last one to commit replaces the others' files, or is refused. If `path` is a
/// symbolic link to a file, the link is replaced, not its target.
package final class AtomicFileWriter {
    /// The final path of the file.
    package let path: String
    /// The position of the next `write` without a position; at the end, the number of bytes written in order.
    package private(set) var byteOffset = 0
    /// Bytes that have not reached the file yet: an incomplete block.
    private var block: [UInt8] = []
    private let replacesExisting: Bool
    private var partial: PartialFile
    private var isOpen = true

    /// Creates the file; nothing at `path` changes before `commit`.
    /// - Parameters:
    ///   - replaceExisting: whether a file at `path` may be replaced.
    ///   - isNamed: whether the file has a temporary name even where the system supports files without one, for tests.
    ///   - fault: the simulated fault, for tests.
    /// - Throws: `FileError` if `path` exists and may not be replaced, leads to something other than a regular file, or cannot
    ///   be written.
    package init(
        path: String, replaceExisting: Bool, isNamed: Bool = false, fault: SimulatedFault? = nil
    ) throws(FileError) {
        self.path = path
        replacesExisting = replaceExisting
        try OutputTarget.check(path, replaceExisting: replaceExisting)
        partial = try PartialFile(path: path, isNamed: isNamed, fault: fault)
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

    /// Writes all of `bytes` at a position, for example a header whose content is known last.
    /// `byteOffset` stays where it is.
    package func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(FileError) {
        precondition(isOpen, "AtomicFileWriter: written to after its end")
        try writeBlock()
        try partial.file.write(bytes, at: position)
    }

    /// A file that is written in whole large pages is kept in large pages in the page cache, if the file system supports them,
    /// and so are its mappings: 140 MB take 0.5 ms to map instead of 17.
    private static var blockByteCount: Int { LargePage.byteCount }

    private func writeBlock() throws(FileError) {
        defer { block.removeAll(keepingCapacity: true) }
        try block.withUnsafeBufferPointer { bytes throws(FileError) in
            try partial.file.write(UnsafeRawBufferPointer(bytes), at: byteOffset - bytes.count)
        }
    }

    /// Maps the bytes written so far, so that they can be tested before the file gets its name.
    /// - Throws: `FileError`.
    package func map() throws(FileError) -> MappedFile {
        precondition(isOpen, "AtomicFileWriter: mapped after its end")
        try writeBlock()
        return try MappedFile(fileDescriptor: partial.file.descriptor.number, path: path)
    }

    /// Removes everything after a position.
    /// - Precondition: no mapping uses that part any more.
    package func rewind(to position: Int) throws(FileError) {
        precondition(isOpen && (0...byteOffset).contains(position), "AtomicFileWriter: rewound to nowhere")
        try writeBlock()
        try partial.file.truncate(to: position)
        byteOffset = position
    }

    /// Gives everybody who may read the file permission to execute it.
    /// - Throws: `FileError`.
    package func allowExecution() throws(FileError) {
        let mode = try partial.file.descriptor.status().st_mode & 0o777
        guard fchmod(partial.file.descriptor.number, mode | (mode & 0o444) >> 2) == 0 else {
            throw FileError(path: path, operation: .create, code: errno)
        }
    }

    /// Restricts reading of the file to its owner.
    /// - Throws: `FileError`.
    package func keepPrivate() throws(FileError) {
        guard fchmod(partial.file.descriptor.number, 0o600) == 0 else {
            throw FileError(path: path, operation: .create, code: errno)
        }
    }

    /// Puts the file in its place after it is on the disk.
    /// - Throws: `FileError`; nothing at `path` has changed then, unless the operation is `.synchronize` of
    ///   the folder: the file is in place, but a power failure might still undo that.
    package func commit() throws(FileError) {
        precondition(isOpen, "AtomicFileWriter: committed after its end")
        try writeBlock()
        try partial.file.synchronize()
        try partial.file.begin(.replace)
        try partial.place(replacesExisting: replacesExisting)
        isOpen = false
        defer { partial.close() }
        try partial.file.begin(.synchronize)
        try Self.synchronizeFolder(of: path)
    }

    static func synchronizeFolder(of path: String) throws(FileError) {
        let folder = OutputTarget.folder(of: path)
        let descriptor = try FileDescriptor(path: folder, flags: O_RDONLY | O_DIRECTORY)
        // Some file systems cannot flush a folder, and say so.
        guard retryingInterruptions({ fsync(descriptor.number) }) == 0 || errno == EINVAL else {
            throw FileError(path: folder, operation: .synchronize, code: errno)
        }
    }

    /// Removes everything written so far; does nothing after `commit`.
    package func cancel() {
        guard isOpen else { return }
        isOpen = false
        partial.close()
    }
}

extension AtomicFileWriter {
    /// Writes a whole file at once.
    package static func write(
        _ bytes: [UInt8], to path: String, replaceExisting: Bool
    ) throws(FileError) {
        let file = try AtomicFileWriter(path: path, replaceExisting: replaceExisting)
        try file.write(bytes)
        try file.commit()
    }

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
