// SPDX-License-Identifier: Apache-2.0
// The shared data folder, which is no part of the project: tests that use it are skipped without it.

import Glibc

package enum SharedData {
    /// `TILLER_SHARED_DATA`, or `shared/data` beside the package's folder.
    package static let root: String = {
        if let path = getenv("TILLER_SHARED_DATA") { return String(cString: path) }
        return packageRoot + "/../shared/data"
    }()

    /// The names in a folder, sorted; none if it cannot be read.
    package static func fileNames(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// The bytes of a file; nil if it cannot be read.
    package static func contents(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&block, 1, block.count, file)
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: block[..<count])
        }
    }
}
