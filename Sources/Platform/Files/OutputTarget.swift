// SPDX-License-Identifier: Apache-2.0
// The places where a new file may appear. A rename puts the file there and replaces anything with that name, including a
// device, so these checks first examine what the name leads to.

import Glibc

/// The rules for the place of a new file, the same for every writer.
package enum OutputTarget {
    /// Refuses names at which no new file may appear.
    ///
    /// A symbolic link to a file, or to nothing, may be replaced. A link to a pipe, a device or a folder is refused,
    /// like its target, and so is a link that represents an open file of a process, such as
    /// `/dev/stdout`: others rely on that name.
    /// - Parameter replaceExisting: whether a file at `path` may be replaced.
    /// - Throws: `FileError`.
    package static func check(_ path: String, replaceExisting: Bool) throws(FileError) {
        guard !path.isEmpty, path.utf8.last != UInt8(ascii: "/") else {
            throw FileError(path: path, operation: .create, code: EINVAL, advice: "name a file")
        }
        var status = stat()
        if stat(path, &status) == 0 {
            switch status.st_mode & S_IFMT {
            case S_IFREG: break
            case S_IFDIR: throw FileError(path: path, operation: .replace, code: EISDIR)
            default: throw refusal(of: path, "this is a pipe or a device; name a file")
            }
        } else if errno != ENOENT {
            // ENOENT: there is nothing, or a link to nothing.
            throw FileError(path: path, operation: .create, code: errno)
        }
        guard !leadsThroughProcesses(path) else {
            throw refusal(of: path, "this refers to an open file of a process; name a file")
        }
        guard replaceExisting || lstat(path, &status) != 0 else {
            throw FileError(path: path, operation: .create, code: EEXIST)
        }
    }

    /// Whether writing a new file at `output` would change the file that `input` leads to, under any name.
    ///
    /// A writer also removes abandoned temporary files of `output`, so their names count too.
    package static func isWritten(_ input: String, by output: String) -> Bool {
        var mine = stat()
        guard stat(input, &mine) == 0 else { return false }
        return ([output] + PartialName.all(of: output)).contains { name in
            var other = stat()
            return stat(name, &other) == 0 && other.st_dev == mine.st_dev
                && other.st_ino == mine.st_ino
        }
    }

    private static func refusal(of path: String, _ advice: String) -> FileError {
        FileError(path: path, operation: .replace, code: EEXIST, advice: advice)
    }

    /// Whether a name, or a link on its path, is in procfs: such links represent open files.
    private static func leadsThroughProcesses(_ path: String) -> Bool {
        var processes = stat()
        guard stat("/proc/self", &processes) == 0 else { return false }
        var name = path
        // Linux follows up to this many links and fails beyond that.
        for _ in 0...40 {
            let folder = folder(of: name)
            var status = stat()
            if stat(folder, &status) == 0, status.st_dev == processes.st_dev { return true }
            guard let target = linkTarget(name) else { return false }
            name = target.hasPrefix("/") ? target : folder + "/" + target
        }
        return false
    }

    /// The folder part of a path, as the system reads it.
    static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    /// The target of a symbolic link; nil for everything else.
    private static func linkTarget(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }
}
