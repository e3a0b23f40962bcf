// SPDX-License-Identifier: Apache-2.0
// A folder for one test, removed with everything in it.

import Glibc

/// A fresh folder under the system's place for temporary files.
final class TemporaryFolder {
    let path: String

    init() {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/tiller-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no folder for temporary files")
        path = String(decoding: template.dropLast().map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names { unlink(self / name) }
        rmdir(path)
    }

    /// The path of a file in the folder.
    static func / (folder: TemporaryFolder, name: String) -> String { folder.path + "/" + name }

    /// The names of the files in the folder, sorted.
    var names: [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Writes a file by the plainest means.
    func write(_ content: [UInt8], to name: String) {
        let descriptor = open(self / name, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        precondition(descriptor >= 0 && Glibc.write(descriptor, content, content.count) == content.count)
        close(descriptor)
    }
}
