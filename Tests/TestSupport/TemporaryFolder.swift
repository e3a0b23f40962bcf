// SPDX-License-Identifier: Apache-2.0
// A folder for one test, and the way to the package's own files.

import Glibc

/// An empty folder that is removed, with its files, when the last reference goes.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init() {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/tiller-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            preconditionFailure("no temporary folder: errno \(errno)")
        }
        path = String(cString: made)
    }

    deinit { Self.remove(path) }

    /// Names of files in the making.
    package var partialNames: [String] { Self.names(in: path).filter { $0.hasSuffix(".partial") } }

    private static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func remove(_ path: String) {
        for name in names(in: path) where unlink("\(path)/\(name)") != 0 { remove("\(path)/\(name)") }
        rmdir(path)
    }
}

/// The package's root directory.
package let packageRoot: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/")
}()
