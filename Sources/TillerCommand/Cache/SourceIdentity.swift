// SPDX-License-Identifier: Apache-2.0
// Recognizes a model's source, and whether it is still what it was, without reading it: a hash of 20 GB takes a minute.

import Formats
import Glibc
import Platform

/// A GGUF file or a model folder: its place, and the state of its files.
struct SourceIdentity {
    /// The absolute path; that of the first part for a model in several.
    let path: String
    /// A name for files made from the source.
    let name: String
    /// Name, size, time of change, device and inode of every file, one line each.
    let state: String

    /// The source at a path; nil for everything else, such as a `.tiller` file or nothing.
    init?(path: String) {
        guard
            let folder = resolvedPath(
                Folder.exists(path) ? path : path.folderPart.isEmpty ? "." : path.folderPart)
        else { return nil }
        name = modelName(ofSource: path)
        let files: [String]
        if Folder.exists(path) {
            guard access(folder + "/config.json", F_OK) == 0 else { return nil }
            self.path = folder
            // Other files, such as downloads in progress, make no difference.
            files = Folder.names(in: folder).filter { name in
                [".json", ".jinja", ".safetensors"].contains { name.hasSuffix($0) } && !name.hasPrefix(".")
            }
        } else {
            guard Self.isGGUF(path) else { return nil }
            let stem = path.fileName.withoutPartNumber
            // The other parts count too.
            files =
                stem == nil
                ? [path.fileName] : Folder.names(in: folder).filter { $0.withoutPartNumber == stem }
            self.path = folder + "/" + (files.first ?? path.fileName)
        }
        state = files.compactMap { Self.line($0, in: folder) }.joined(separator: "\n")
    }

    /// Whether a regular file begins like a GGUF.
    private static func isGGUF(_ path: String) -> Bool {
        var status = stat()
        // Opening a pipe would wait for its writer.
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            let file = try? MappedFile(path: path)
        else { return false }
        return withExtendedLifetime(file) { file.bytes.starts(with: "GGUF".utf8) }
    }

    private static func line(_ name: String, in folder: String) -> String? {
        var status = stat()
        guard stat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let change = "\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        return "\(status.st_size) \(change) \(status.st_dev) \(status.st_ino) \(name)"
    }
}

/// The name of what is made from a source: of `a/b-00001-of-00003.gguf` and of the folder `a/b/`, "b".
func modelName(ofSource path: String) -> String {
    let isNamed = ![".", ".."].contains(path.fileName) && path.contains { $0 != "/" }
    let name = isNamed ? path.fileName : (resolvedPath(path) ?? path).fileName
    if let stem = name.withoutPartNumber { return stem }
    for suffix in [".gguf", ".tiller"] where name.lowercased().hasSuffix(suffix) && name.count > suffix.count
    {
        return String(name.dropLast(suffix.count))
    }
    return name
}

extension String {
    /// `b` of `b-00001-of-00003.gguf`; nil for other names.
    fileprivate var withoutPartNumber: String? {
        let ending = Array(utf8.suffix(20)), pattern = Array("-00000-of-00000.gguf".utf8)
        let fits =
            ending.count == pattern.count
            && zip(ending, pattern).allSatisfy { found, expected in
                expected == UInt8(ascii: "0") ? (48...57).contains(found) : found == expected
            }
        return fits && utf8.count > pattern.count ? String(dropLast(pattern.count)) : nil
    }
}
