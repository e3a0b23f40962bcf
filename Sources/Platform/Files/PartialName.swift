// SPDX-License-Identifier: Apache-2.0
// Names of files that are still being written. Each writer uses its own name, so that writers of one path do not collide. All
// names follow one pattern, so that the next writer finds the files of killed ones.

import Glibc

/// The names `<path>.<16 hexadecimal digits>.partial`.
///
/// A writer that has such a file open holds its lock: an unlocked file was left by a program that died.
enum PartialName {
    private static let suffix = Array(".partial".utf8)
    private static let digitCount = 16
    private static let digits = Array("0123456789abcdef".utf8)
    /// The limit of a name's length on all known file systems.
    private static let maximumByteCount = 255

    /// Creates a name that no other file has.
    static func new(for path: String) -> String {
        let number = UInt64.random(in: .min ... .max)
        let text = (0..<digitCount).map { digits[Int(number >> (4 * $0) & 15)] }
        return path.folderPart + stem(of: path) + String(decoding: text + suffix, as: UTF8.self)
    }

    /// All existing names of this pattern, locked or not.
    static func all(of path: String) -> [String] {
        guard let folder = opendir(OutputTarget.folder(of: path)) else { return [] }
        defer { closedir(folder) }
        let (parent, stem) = (path.folderPart, Array(Self.stem(of: path).utf8))
        var names: [String] = []
        while let entry = readdir(folder) {
            // Not copied: the system's entry ends with its name.
            let name = withUnsafeMutableBytes(of: &entry.pointee.d_name) { field in
                Array(field.prefix { $0 != 0 })
            }
            guard name.count == stem.count + digitCount + suffix.count, name.starts(with: stem),
                name.suffix(suffix.count) == suffix[...],
                name[stem.count..<stem.count + digitCount].allSatisfy(digits.contains)
            else { continue }
            names.append(parent + String(decoding: name, as: UTF8.self))
        }
        return names
    }

    /// Removes files next to `path` that dead programs left.
    static func removeAbandoned(of path: String) {
        for name in all(of: path) {
            // Neither follows a link nor waits for a pipe.
            guard
                let file = try? FileDescriptor(path: name, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
                (try? file.statusOfRegularFile(for: .open)) != nil,
                flock(file.number, LOCK_EX | LOCK_NB) == 0,
                // The previous holder of the lock may have renamed it meanwhile.
                (try? file.isStillAt(name)) == true
            else { continue }
            unlink(name)
        }
    }

    /// The file's own name, truncated to leave room for the rest.
    private static func stem(of path: String) -> String {
        var name = path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...]
        while name.utf8.count > maximumByteCount - 1 - digitCount - suffix.count { name = name.dropLast() }
        return name + "."
    }
}
