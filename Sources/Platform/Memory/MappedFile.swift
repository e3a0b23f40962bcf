// SPDX-License-Identifier: Apache-2.0
// A file as memory: pages are read when they are touched, shared between processes, and given back by the
// system when memory is short. This is how a model larger than free memory still runs.

import Glibc

/// A whole file, mapped read-only.
///
/// Our own writers only append to a file, or replace it by renaming, which leaves existing mappings intact. Others may write
/// over it or cut it off, so what is checked has to be copied first, and what is read in place must be harmless whatever it
/// is. Reading what was cut off is SIGBUS: it ends our programs with one line (`MappedFileGuard`), and others as they like.
package final class MappedFile: Sendable {
    /// How the bytes will be used; see `advise`.
    ///
    /// It holds for large pages: for the one in which a range begins, and not for the one in which it ends, so that
    /// consecutive ranges leave only their end; what ends with the file is advised to its end.
    package enum Advice: Sendable {
        /// From front to back, for a moment each: when memory is short, let go of this first.
        case sequential
        /// Soon: start reading now.
        case willNeed
        /// Not soon: take the pages out of this process's resident memory.
        case dontNeed
    }

    /// The path as it was given.
    package let path: String
    /// The file's bytes, valid as long as the object lives; empty (with no base address) for an empty file.
    nonisolated(unsafe) package let bytes: UnsafeRawBufferPointer
    /// Where `MappedFileGuard` keeps it.
    private let guardIndex: Int?

    /// Maps the file at `path`.
    /// - Throws: `FileError` if it cannot be opened or mapped, or is not a regular file.
    package convenience init(path: String) throws(FileError) {
        // Not blocking, because a pipe would wait for its writer before it could be refused.
        try self.init(FileDescriptor(path: path, flags: O_RDONLY | O_NONBLOCK))
    }

    /// Maps an open file, whose descriptor stays the caller's.
    /// - Parameter path: how errors name the file.
    package convenience init(fileDescriptor: Int32, path: String) throws(FileError) {
        let copy = retryingInterruptions { fcntl(fileDescriptor, F_DUPFD_CLOEXEC, 0) }
        guard copy >= 0 else { throw FileError(path: path, operation: .map, code: errno) }
        try self.init(FileDescriptor(owning: copy, path: path))
    }

    private init(_ file: consuming FileDescriptor) throws(FileError) {
        path = file.path
        let status = try file.statusOfRegularFile(for: .map)
        // mmap refuses a length of zero.
        guard status.st_size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            guardIndex = nil
            return
        }
        let count = Int(status.st_size)
        let start = mmap(nil, count, PROT_READ, MAP_SHARED, file.number, 0)
        guard let start = start, start != MAP_FAILED else {
            throw FileError(path: file.path, operation: .map, code: errno)
        }
        // What has to be read from the disk shall come in large pages, where the system has them for files.
        madvise(start, count, Int32(MADV_HUGEPAGE))
        bytes = UnsafeRawBufferPointer(start: start, count: count)
        guardIndex = MappedFileGuard.add(bytes, path: path)
    }

    deinit {
        if let guardIndex { MappedFileGuard.remove(guardIndex) }
        if let start = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
        }
    }

    /// Tells the system how a part of the file will be used. A hint: failures are of no consequence.
    /// - Parameter range: byte offsets within the file; nil for all of it.
    /// - Precondition: `range` lies within `bytes`.
    package func advise(_ advice: Advice, range: Range<Int>? = nil) {
        guard let base = bytes.baseAddress else { return }
        let range = range ?? 0..<bytes.count
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count, "MappedFile: range out of bounds")

        // The system works in pages. It splits a large one of which only a part is dropped, and maps one whose parts are
        // used differently in small pages.
        let size = LargePage.byteCount
        let start = range.lowerBound / size * size
        let end = range.upperBound == bytes.count ? range.upperBound : range.upperBound / size * size
        guard start < end else { return }
        let code =
            switch advice {
            case .sequential: MADV_SEQUENTIAL
            case .willNeed: MADV_WILLNEED
            case .dontNeed: MADV_DONTNEED
            }
        madvise(UnsafeMutableRawPointer(mutating: base + start), end - start, Int32(code))
    }
}
