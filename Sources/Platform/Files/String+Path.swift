// SPDX-License-Identifier: Apache-2.0
// Parts of a path as it was given; the system is not asked.

extension String {
    /// The last component of a path, also of one that ends in a slash; the path itself if it has none.
    package var fileName: String { split(separator: "/").last.map(String.init) ?? self }

    /// The folder's part of a path, with its slash; empty if it has none.
    package var folderPart: String { lastIndex(of: "/").map { String(self[...$0]) } ?? "" }
}
