// SPDX-License-Identifier: Apache-2.0
// What the Hub says about a repository: its commit and files.

import Formats
import JSON

/// A file of a repository.
package struct HubFile: Equatable, Sendable {
    /// The path in the repository; safe below any folder.
    package let path: String
    package let byteCount: Int
    /// The content's SHA-256 for large files (LFS), else its id in Git: equal contents have equal ids.
    package let contentID: String
    /// Whether the content's id is its SHA-256.
    package let isLarge: Bool

    package init(path: String, byteCount: Int, contentID: String, isLarge: Bool) {
        (self.path, self.byteCount, self.contentID, self.isLarge) = (path, byteCount, contentID, isLarge)
    }

    /// The digest that the content must have; nil where the Hub lists none.
    var digest: SHA256.Digest? { isLarge ? SHA256.Digest(hexadecimal: contentID) : nil }

    /// Reads an entry of `/api/models/…/tree/…`; nil for folders, and for names that would lead out of a folder.
    ///
    /// - Throws: `HubError.invalidAnswer` for a file without a size or an id.
    init?(_ entry: JSON) throws(HubError) {
        guard entry["type"]?.stringValue == "file", let path = entry["path"]?.stringValue,
            Self.isSafe(path)
        else { return nil }
        let large = entry["lfs"].flatMap { $0.isNull ? nil : $0 }
        guard let size = (large ?? entry)["size"]?.intValue, (0...1 << 44).contains(size),
            let id = (large ?? entry)["oid"]?.stringValue,
            large == nil || SHA256.Digest(hexadecimal: id) != nil
        else { throw HubError(.invalidAnswer, "the Hub lists \(path) without its size or its checksum") }
        self.init(path: path, byteCount: size, contentID: id, isLarge: large != nil)
    }

    /// Whether a path stays below the folder that it is appended to, and names nothing hidden.
    static func isSafe(_ path: String) -> Bool {
        path.utf8.count <= 1024
            && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(isName)
    }

    private static func isName(_ part: Substring) -> Bool {
        guard let first = part.unicodeScalars.first, first != ".", part.utf8.count <= 200 else {
            return false
        }
        return part.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && $0 != "\\" }
    }
}

/// The files of a repository at a commit.
package struct HubListing: Sendable {
    package let commit: String
    package let files: [HubFile]

    package init(commit: String, files: [HubFile]) {
        (self.commit, self.files) = (commit, files)
    }
}
