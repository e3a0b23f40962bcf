// SPDX-License-Identifier: Apache-2.0
// Folders: making them with all that lead to them, listing and removing them.

import Glibc

package enum Folder {
    /// Creates a folder and those above it that are missing; only its owner may enter the new ones.
    /// - Throws: `FileError` that names the folder which cannot be created.
    package static func create(_ path: String) throws(FileError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
            // Where a folder exists, some systems say first that nothing may be created beside it.
            let code = errno
            guard !exists(made) else { continue }
            throw FileError(path: made, operation: .create, code: code)
        }
        guard exists(path) else { throw FileError(path: path, operation: .create, code: ENOTDIR) }
    }

    /// Whether a path leads to a folder.
    package static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The sorted names in a folder, without "." and ".."; none if it cannot be read.
    package static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            // Not copied: the system's entry ends with its name.
            let name = withUnsafeMutableBytes(of: &entry.pointee.d_name) { field in
                String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a file or a link, or a folder with all that it contains; links in it are not followed.
    /// - Throws: `FileError` for the first thing that cannot be removed.
    package static func remove(_ path: String) throws(FileError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        if isFolder { for name in names(in: path) { try remove("\(path)/\(name)") } }
        guard isFolder ? rmdir(path) == 0 : unlink(path) == 0 else {
            throw FileError(path: path, operation: .remove, code: errno)
        }
    }

    /// The bytes that a file, or all files below a folder, occupy on the disk.
    package static func storedByteCount(_ path: String) -> Int {
        var status = stat()
        guard lstat(path, &status) == 0 else { return 0 }
        guard status.st_mode & S_IFMT == S_IFDIR else { return Int(status.st_blocks) * 512 }
        return names(in: path).reduce(0) { $0 + storedByteCount("\(path)/\($1)") }
    }
}
