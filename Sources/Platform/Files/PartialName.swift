// SPDX-License-Identifier: Apache-2.0
// Names of files in the making. Each writer takes one of its own, so that writers of one path do not meet, and all are of
// one pattern, so that the next writer finds what a killed one left.

import Glibc

/// The names `<path>.<16 hexadecimal digits>.partial`.
///
/// Whoever has such a file open holds its lock: what nobody has locked was left by a program that died.
enum PartialName {
    private static let suffix = Array(".partial".utf8)
    private static let digitCount = 16
    private static let digits = Array("0123456789abcdef".utf8)
    /// Of a name, in all file systems that we know.
    private static let maximumByteCount = 255

    /// A name that no other file has.
    static func new(for path: String) -> String {
        let number = UInt64.random(in: .min ... .max)
        let text = (0..<digitCount).map { digits[Int(number >> (4 * $0) & 15)] }
        return parent(of: path) + stem(of: path) + String(decoding: text + suffix, as: UTF8.self)
    }

    /// The names of this pattern that are there, whoever holds them.
    static func all(of path: String) -> [String] {
        guard let folder = opendir(OutputTarget.folder(of: path)) else { return [] }
        defer { closedir(folder) }
        let (parent, stem) = (Self.parent(of: path), Array(Self.stem(of: path).utf8))
        var names: [String] = []
        while let entry = readdir(folder) {
            // In place: the system's entry ends with its name.
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

    /// Removes what programs that died left beside `path`.
    static func removeAbandoned(of path: String) {
        for name in all(of: path) {
            // Not through a link, and not waiting for a pipe.
            guard
                let file = try? FileDescriptor(path: name, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
                (try? file.statusOfRegularFile(for: .open)) != nil,
                flock(file.number, LOCK_EX | LOCK_NB) == 0,
                // Whoever held the lock may have given it another name meanwhile.
                (try? file.isStillAt(name)) == true
            else { continue }
            unlink(name)
        }
    }

    /// The folder's part of the path, as it was given, with its slash.
    private static func parent(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    }

    /// The file's own name, cut where no room is left for the rest.
    private static func stem(of path: String) -> String {
        var name = path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...]
        while name.utf8.count > maximumByteCount - 1 - digitCount - suffix.count { name = name.dropLast() }
        return name + "."
    }
}
