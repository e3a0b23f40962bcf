// SPDX-License-Identifier: Apache-2.0
// Changes a model file without rewriting it (formats/tiller.md §2.3): new sections, a new table and a new
// footer go after the old footer, which stays valid until the new footer is on the disk.
//
// The file is never truncated: a reader may have it mapped, and would be killed by touching a missing part.
// An append overwrites the remains of a torn append; the part that it does not overwrite becomes free.

import Glibc
import Platform

/// Appends to model files, and compacts them.
package enum TillerStore {
    /// The changes of one append.
    package struct Change {
        /// Sections that become free.
        var removed: [SectionEntry] = []
        var added: [(kind: SectionKind, bytes: [UInt8])] = []

        package init(removed: [SectionEntry] = [], added: [(kind: SectionKind, bytes: [UInt8])] = []) {
            self.removed = removed
            self.added = added
        }
    }

    /// Appends a change under the file's lock; other writers wait, readers see the old state or the new one.
    ///
    /// - Parameters:
    ///   - path: The model file, or an executable followed by a model.
    ///   - fault: The simulated fault, for tests.
    ///   - change: Decides on the change, given the present state.
    /// - Throws: `FileError`, `FormatError`, or an error of `change`; the old state is then valid.
    package static func append(
        to path: String, fault: SimulatedFault? = nil, change: (TillerFile) throws -> Change
    ) throws {
        let target = try AppendFile(path: path, waitsForLock: true, fault: fault)
        defer { target.close() }
        let file = try openLocked(target)
        let change = try change(file)
        // A reader looks for the last footer no further back than this limit.
        let addedByteCount = change.added.reduce(0) { $0 + $1.bytes.count }
        guard addedByteCount <= maximumAppendedByteCount else {
            throw FormatError(
                .tillerSectionSize, found: "\(addedByteCount) bytes to append",
                expected: "at most \(maximumAppendedByteCount) at once")
        }
        let origin = file.container.origin
        var position = origin + file.container.view.count
        let removed = Set(change.removed.map(\.byteOffset))
        var writer = ContainerWriter(
            continuing: file.container, keeping: { !removed.contains($0.byteOffset) },
            sink: {
                try target.write($0, at: position)
                position += $0.count
            })
        do {
            for section in change.added { try writer.add(section.kind, section.bytes) }
            try writer.finish(
                minimumByteCount: target.byteCount - origin, sealing: { try target.synchronize() })
            try target.synchronize()
        } catch {
            // An unfinished append should not fill the disk. If even truncating fails, readers skip it.
            try? target.truncate(to: origin + file.container.view.count)
            throw error
        }
    }

    static let maximumAppendedByteCount = 48 << 20

    /// Maps the file while its lock is held.
    private static func openLocked(_ target: AppendFile) throws -> TillerFile {
        let mapped = try MappedFile(path: target.path)
        guard mapped.bytes.count == target.byteCount else {
            throw FileError(
                path: target.path, operation: .open, code: EBUSY,
                advice: "it was replaced in the meantime; try again")
        }
        return try TillerFile(mapped: mapped)
    }
}

// MARK: - Compaction

extension TillerStore {
    /// Rewrites a model file without its dead bytes.
    ///
    /// All sections, including those that this version does not know, keep their kinds, flags and order.
    /// - Throws: `FormatError` R12 if a section is damaged: it must not get a new, matching digest.
    package static func compact(_ path: String) throws {
        // The lock prevents appends: they would go to the file that is replaced.
        let lock = try AppendFile(path: path, waitsForLock: true)
        defer { lock.close() }
        let container = try openLocked(lock).container
        guard container.origin == 0 else {
            throw FileError(
                path: path, operation: .replace, code: ENOTSUP,
                advice: "a bundle cannot be compacted; bundle the model again")
        }
        // Follows a link to rewrite the model itself, instead of replacing the link by a copy.
        let target = try AtomicFileWriter(path: lock.resolvedPath(), replaceExisting: true)
        var writer = try ContainerWriter(
            container.kind, generation: container.generation &+ 1, sink: { try target.write($0) })
        let chunk = 4 << 20
        for entry in container.entries where entry.kind != .free {
            let bytes = container.bytes(of: entry)
            try writer.begin(entry.kind, flags: entry.flags)
            for start in stride(from: 0, to: bytes.count, by: chunk) {
                guard let piece = bytes.slice(start, count: min(chunk, bytes.count - start))?.copied() else {
                    break
                }
                try unsafe writer.write(piece.bytes)
            }
            guard try writer.end() == entry.digest else { throw container.digestError(entry) }
        }
        try writer.finish()
        try target.commit()
    }
}
