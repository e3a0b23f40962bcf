// SPDX-License-Identifier: Apache-2.0
// What lies in the cache. Beside each converted model, a small file names its source; its time of change is that of the
// last use. It only informs: the model is valid without it.

import Glibc
import JSON
import Platform

/// A converted model or a download.
struct CachedItem {
    /// The name by which users refer to it.
    let name: String
    let path: String
    /// Where it comes from; nil where that is not recorded.
    let source: String?
    let byteCount: Int
    /// Seconds since 1970.
    let lastUse: Int

    private static let suffix = ".tiller"

    /// All items of a cache, converted models first, by name.
    static func all(in cache: CacheFolder) -> [CachedItem] { models(in: cache) + downloads(in: cache) }

    /// The converted models.
    static func models(in cache: CacheFolder) -> [CachedItem] {
        Folder.names(in: cache.models).filter { $0.hasSuffix(suffix) }.map { file in
            let path = "\(cache.models)/\(file)", record = recordPath(of: path)
            let bytes = try? readRegularFile(path: record, limit: 1 << 16).bytes
            return CachedItem(
                name: String(file.dropLast(suffix.count)), path: path,
                source: bytes.flatMap { try? JSON.parse($0) }?["source"]?.stringValue,
                byteCount: Folder.storedByteCount(path), lastUse: changeTime(record) ?? changeTime(path) ?? 0)
        }
    }

    /// The downloads from the Hub, complete or not.
    private static func downloads(in cache: CacheFolder) -> [CachedItem] {
        Folder.names(in: cache.downloads).flatMap { owner in
            Folder.names(in: "\(cache.downloads)/\(owner)").map { name in
                let path = "\(cache.downloads)/\(owner)/\(name)"
                return CachedItem(
                    name: "\(owner)/\(name)", path: path, source: "tiller get \(owner)/\(name)",
                    byteCount: Folder.storedByteCount(path), lastUse: changeTime(path) ?? 0)
            }
        }
    }

    private static func changeTime(_ path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mtim.tv_sec : nil
    }

    /// Records that a converted model is used now. A cache that can only be read serves as well, so errors do not matter.
    static func noteUse(of path: String, source: String) {
        let record = recordPath(of: path)
        if utimensat(AT_FDCWD, record, nil, 0) == 0 { return }
        let text = JSON.object(["source": .string(source)]).serialized()
        try? AtomicFileWriter.write(Array(text.utf8), to: record, replaceExisting: true)
    }

    /// Removes it; a program that runs a removed model keeps its bytes until it ends.
    func remove() throws(FileError) {
        try Folder.remove(path)
        if path.hasSuffix(Self.suffix) { try Folder.remove(Self.recordPath(of: path)) }
        // The folder of an owner goes with the last download.
        if name.contains("/") { rmdir(String(path.folderPart.dropLast())) }
    }

    private static func recordPath(of path: String) -> String { path.dropLast(suffix.count) + ".source.json" }
}
