// SPDX-License-Identifier: Apache-2.0
// A file that is still being written. If the system supports files without a name, it has none until it is complete, and it
// vanishes if its program dies; otherwise it has a temporary name that the next writer recognizes.

import CPlatform
import Glibc

/// An open file in its destination folder, under an exclusive lock until it is in place.
struct PartialFile: ~Copyable {
    /// The final path of the file; errors name it.
    let path: String
    var file: OutputFile
    /// Its temporary name; nil for none.
    private var name: String?

    /// Creates an empty file.
    /// - Parameters:
    ///   - isNamed: whether to give it a temporary name even where none is needed, for tests.
    ///   - fault: the simulated fault, for tests.
    /// - Throws: `FileError` if the folder cannot be written.
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
                // Between creation and lock, another writer may have considered it abandoned.
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

    /// Creates a file without a name in the folder of `path`; nil if the file system does not support it, or if the file could
    /// not get a name later, which requires /proc.
    private static func nameless(_ path: String) -> FileDescriptor? {
        let folder = OutputTarget.folder(of: path)
        let number = retryingInterruptions { platform_open_nameless(folder, 0o666) }
        guard number >= 0 else { return nil }
        let descriptor = FileDescriptor(owning: number, path: path)
        guard (try? descriptor.isStillAt(link(to: number))) == true else { return nil }
        return descriptor
    }

    private static func link(to descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

    // MARK: - Completion

    /// Gives the file its name.
    /// - Throws: `FileError`; nothing at `path` has changed then.
    mutating func place(replacesExisting: Bool) throws(FileError) {
        Termination.hold()
        defer { Termination.release() }
        // Writing took a while; by now a file that may not be replaced may exist.
        try OutputTarget.check(path, replaceExisting: replacesExisting)
        if name == nil {
            // A link replaces nothing: to replace a file, a second name is renamed.
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
            // Some file systems cannot do that; there, another process may interfere after the check above.
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

    /// Releases the lock and closes the file; an unplaced file is gone, unless a mapping keeps its bytes.
    mutating func close() {
        if let name, !file.faults.hasCrashed { unlink(name) }
        forgetName()
        file.close()
    }
}
