// SPDX-License-Identifier: Apache-2.0
// A file as memory: the system reads pages when they are touched, shares them between processes, and takes them
// back when memory is short. This is how a model larger than free memory still runs.

import Glibc

/// A whole file, mapped read-only.
///
/// Our own writers only append to a file, or replace it by renaming, which leaves existing mappings intact. Other programs may
/// overwrite or truncate it. Therefore copy data before checking it, and make reads in place harmless for any content. Reading a
/// truncated part raises SIGBUS: our programs end with one line (`MappedFileGuard`); others handle it themselves.
package final class MappedFile: Sendable {
    /// The expected use of a range; see `advise`.
    ///
    /// Ranges are rounded down to large pages at both ends, so that adjacent ranges never share a page; a range that ends
    /// with the file extends to the file's end.
    package enum Advice: Sendable {
        /// From front to back, each page briefly: when memory is short, drop these pages first.
        case sequential
        /// Soon: start reading now.
        case willNeed
        /// Not soon: remove the pages from this process's resident memory.
        case dontNeed
    }

    /// The path as it was given.
    package let path: String
    /// The file's bytes, valid as long as the object lives; empty (with no base address) for an empty file.
    nonisolated(unsafe) package let bytes: UnsafeRawBufferPointer
    /// The index of this mapping in `MappedFileGuard`.
    private let guardIndex: Int?

    /// Maps the file at `path`.
    /// - Throws: `FileError` if it cannot be opened or mapped, or is not a regular file.
    package convenience init(path: String) throws(FileError) {
        // Not blocking: opening a pipe would wait for its writer before it could be refused.
        try self.init(FileDescriptor(path: path, flags: O_RDONLY | O_NONBLOCK))
    }

    /// Maps an open file; the descriptor still belongs to the caller.
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
        // Pages read from the disk should be large, if the system supports that for files.
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

    /// Tells the system how a part of the file will be used. A hint: failures have no consequences.
    /// - Parameter range: byte offsets within the file; nil for all of it.
    /// - Precondition: `range` is within `bytes`.
    package func advise(_ advice: Advice, range: Range<Int>? = nil) {
        guard let base = bytes.baseAddress else { return }
        let range = range ?? 0..<bytes.count
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count, "MappedFile: range out of bounds")

        // The system works in pages. It splits a large page of which only a part is dropped, and maps a page whose parts are
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
