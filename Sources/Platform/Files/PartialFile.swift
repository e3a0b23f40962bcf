// SPDX-License-Identifier: Apache-2.0
// A file in the making. Where the system has files without a name, it has none before it is whole, and nothing is left of it
// when its program dies; elsewhere it has one that the next writer recognizes.

import CPlatform
import Glibc

/// An open file beside the place where it will be, under an exclusive lock until it is there.
struct PartialFile: ~Copyable {
    /// Where the file will be; errors name it.
    let path: String
    var file: OutputFile
    /// Its name until then; nil for none.
    private var name: String?

    /// Begins an empty file.
    /// - Parameters:
    ///   - isNamed: whether to give it a name even where that is not needed, for tests.
    ///   - fault: what goes wrong, for tests.
    /// - Throws: `FileError` where the folder cannot be written.
    init(path: String, isNamed: Bool, fault: SimulatedFault?) throws(FileError) {
        self.path = path
        PartialName.removeAbandoned(of: path)
        if !isNamed, let descriptor = Self.nameless(path) {
            try descriptor.lockExclusively(waits: false)
            file = OutputFile(descriptor, fault: fault)
            return
        }
        while true {
            let name = PartialName.new(for: path)
            let number = Termination.uninterrupted {
                let number = retryingInterruptions {
                    open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
                }
                if number >= 0 { Termination.add(leftover: name) }
                return number
            }
            if number < 0, errno == EEXIST { continue }
            guard number >= 0 else { throw FileError(path: path, operation: .create, code: errno) }
            let descriptor = FileDescriptor(owning: number, path: path)
            do throws(FileError) {
                try descriptor.lockExclusively(waits: false)
                // Between creation and lock, another writer may have taken it for abandoned.
                guard try descriptor.isStillAt(name) else {
                    Termination.remove(leftover: name)
                    continue
                }
            } catch {
                unlink(name)
                Termination.remove(leftover: name)
                throw error
            }
            self.name = name
            file = OutputFile(descriptor, fault: fault)
            return
        }
    }

    /// A file without a name in the folder of `path`; nil where the file system has none, or where it could not get a name
    /// later, which takes /proc.
    private static func nameless(_ path: String) -> FileDescriptor? {
        let folder = OutputTarget.folder(of: path)
        let number = retryingInterruptions { platform_open_nameless(folder, 0o666) }
        guard number >= 0 else { return nil }
        let descriptor = FileDescriptor(owning: number, path: path)
        guard (try? descriptor.isStillAt(link(to: number))) == true else { return nil }
        return descriptor
    }

    private static func link(to descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

    // MARK: - The end

    /// Gives the file its name.
    /// - Throws: `FileError`; nothing at `path` has changed then.
    mutating func place(replacesExisting: Bool) throws(FileError) {
        Termination.hold()
        defer { Termination.release() }
        // Writing took a while; what may not be replaced may be there by now.
        try OutputTarget.check(path, replaceExisting: replacesExisting)
        if name == nil {
            // A link replaces nothing: where something may be replaced, a second name is renamed.
            if link(as: path) { return }
            guard errno == EEXIST, replacesExisting else {
                throw FileError(path: path, operation: .create, code: errno)
            }
            let code = platform_link_over(
                Self.link(to: file.descriptor.number), PartialName.new(for: path), path)
            guard code == 0 else { throw FileError(path: path, operation: .replace, code: code) }
            return
        }
        guard let name else { return }
        if !replacesExisting {
            if platform_rename_exclusive(name, path) == 0 { return forgetName() }
            // Not every file system can do that; the check above leaves others a moment to interfere.
            guard errno == EINVAL || errno == ENOSYS else {
                throw FileError(path: path, operation: .create, code: errno)
            }
        }
        guard rename(name, path) == 0 else {
            throw FileError(path: path, operation: .replace, code: errno)
        }
        forgetName()
    }

    private mutating func forgetName() {
        if let name { Termination.remove(leftover: name) }
        name = nil
    }

    private func link(as name: String) -> Bool {
        linkat(AT_FDCWD, Self.link(to: file.descriptor.number), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0
    }

    /// Ends lock and file; what has not been placed is gone, unless a mapping keeps its bytes.
    mutating func close() {
        if let name, !file.faults.hasCrashed { unlink(name) }
        forgetName()
        file.close()
    }
}
