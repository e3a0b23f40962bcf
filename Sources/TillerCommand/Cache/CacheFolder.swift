// SPDX-License-Identifier: Apache-2.0
// The user's folder of files that can be made again at any time: converted models, and downloads.

import Glibc
import Platform
import Tiller

/// The cache's folder, by the XDG Base Directory Specification.
struct CacheFolder {
    let path: String

    /// `$XDG_CACHE_HOME/tiller`, or `~/.cache/tiller`.
    /// - Throws: `TillerError` if neither variable holds an absolute path; the specification ignores others.
    init() throws(TillerError) {
        if let folder = Self.variable("XDG_CACHE_HOME") {
            path = folder + "/tiller"
        } else if let home = Self.variable("HOME") {
            path = home + "/.cache/tiller"
        } else {
            throw .invalidFile(
                "there is no folder for the cache: neither XDG_CACHE_HOME nor HOME holds an absolute path")
        }
    }

    private static func variable(_ name: String) -> String? {
        guard let value = getenv(name).map({ String(cString: $0) }), value.hasPrefix("/") else { return nil }
        return value
    }

    /// The folder of converted models.
    var models: String { path + "/models" }
    /// The folder of what 'tiller get' downloads.
    var downloads: String { path + "/hub" }

    /// Runs work that writes below the folder; says what to do if that fails.
    ///
    /// - Parameter remedy: what does without the cache, as a clause.
    func writing<Result>(orElse remedy: String, _ work: () throws -> Result) throws -> Result {
        do { return try work() } catch let error as FileError
            where error.path.hasPrefix(path) || path.hasPrefix(error.path)
        {
            throw TillerError.invalidFile(
                "the cache cannot be written: \(error); XDG_CACHE_HOME names another place for it, and \(remedy)"
            )
        }
    }

    /// Whether a path leads to a converted model of the cache.
    func holdsModel(_ path: String) -> Bool {
        guard let folder = resolvedPath(models), let file = resolvedPath(path) else { return false }
        return file.hasPrefix(folder + "/")
    }
}

/// A path without links; nil if nothing is there.
func resolvedPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}
