// SPDX-License-Identifier: Apache-2.0
// A file that is finished under another name: it can be opened, tried and changed before anybody sees it.

import Glibc

/// `<path>.unfinished`, which becomes `path` on `commit` and is removed otherwise.
package final class ProvisionalFile {
    static let suffix = ".unfinished"
    static let scratchSuffix = suffix + ".scratch"

    /// Where the file will be.
    package let path: String
    /// Where it is until then; whoever writes it flushes it.
    package let provisionalPath: String
    /// A name for a temporary file, such as a copy in another encoding; its writer removes it.
    package var scratchPath: String { path + Self.scratchSuffix }
    private let replacesExisting: Bool
    private var isCommitted = false

    /// - Throws: `FileError` if `path` exists and may not be replaced, or leads to no regular file.
    package init(path: String, replaceExisting: Bool) throws(FileError) {
        try OutputTarget.check(path, replaceExisting: replaceExisting)
        self.path = path
        provisionalPath = path + Self.suffix
        replacesExisting = replaceExisting
    }

    /// Puts the file in its place.
    /// - Throws: `FileError`; what lay at `path` is still there then, unless the folder could not be flushed.
    package func commit() throws(FileError) {
        try AtomicFileWriter.rename(provisionalPath, to: path, replacesExisting: replacesExisting)
        isCommitted = true
        try AtomicFileWriter.synchronizeFolder(of: path)
    }

    deinit {
        if !isCommitted { unlink(provisionalPath) }
    }
}
