// SPDX-License-Identifier: Apache-2.0
// What lies in the cache. Beside each converted model, a small file names its source; its time of change is that of the
// last use. It only informs: the model is valid without it.

import Glibc
import JSON
import Platform

/// A model in the cache.
struct CachedModel {
    /// The name by which users refer to it.
    let name: String
    let path: String
    /// The source's path; nil where that is not recorded.
    let source: String?
    let byteCount: Int
    /// Seconds since 1970.
    let lastUse: Int

    private static let suffix = ".tiller"
    private static let recordSuffix = ".source.json"
    private var recordPath: String { Self.recordPath(of: path) }

    /// All models of a cache, by name.
    static func all(in cache: CacheFolder) -> [CachedModel] {
        Folder.names(in: cache.models).filter { $0.hasSuffix(suffix) }.compactMap {
            CachedModel(path: "\(cache.models)/\($0)")
        }
    }

    private init?(path: String) {
        var file = stat(), record = stat()
        guard stat(path, &file) == 0 else { return nil }
        self.path = path
        name = String(path.fileName.dropLast(Self.suffix.count))
        byteCount = Int(file.st_size)
        let recordPath = Self.recordPath(of: path)
        lastUse = stat(recordPath, &record) == 0 ? record.st_mtim.tv_sec : file.st_mtim.tv_sec
        let bytes = try? readRegularFile(path: recordPath, limit: 1 << 16).bytes
        source = bytes.flatMap { try? JSON.parse($0) }?["source"]?.stringValue
    }

    /// Records that a model is used now. A cache that can only be read serves as well, so errors do not matter.
    static func noteUse(of path: String, source: String) {
        let record = recordPath(of: path)
        if utimensat(AT_FDCWD, record, nil, 0) == 0 { return }
        let text = JSON.object(["source": .string(source)]).serialized()
        try? AtomicFileWriter.write(Array(text.utf8), to: record, replaceExisting: true)
    }

    /// Removes the model; a program that runs it keeps its bytes until it ends.
    func remove() throws(FileError) {
        try Folder.remove(path)
        try Folder.remove(recordPath)
    }

    private static func recordPath(of path: String) -> String { path.dropLast(suffix.count) + recordSuffix }
}
