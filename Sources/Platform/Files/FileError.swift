// SPDX-License-Identifier: Apache-2.0
// The only error type of file operations: the file, the operation, the system's message,
// and advice for the reader.

import Glibc

/// A file operation that the system, or one of our own rules, refused.
package struct FileError: Error, Equatable, Sendable {
    /// The attempted operation; the raw value completes the sentence "cannot …".
    package enum Operation: String, Sendable {
        case open, read, map, write, lock, truncate, replace, inspect, remove
        case create = "create"
        case synchronize = "flush to disk"
    }

    /// The file's path as it was given.
    package let path: String
    package let operation: Operation
    /// The system's error number.
    package let code: Int32
    /// Advice for the user; empty if there is no useful advice.
    package let advice: String

    /// - Parameter advice: the advice; nil for the usual advice for `code`.
    package init(path: String, operation: Operation, code: Int32, advice: String? = nil) {
        self.path = path
        self.operation = operation
        self.code = code
        self.advice = advice ?? Self.usualAdvice(for: code)
    }

    private static func usualAdvice(for code: Int32) -> String {
        switch code {
        case ENOENT: "check the path"
        case EACCES, EPERM: "check the permissions of the file and of its folder"
        case EISDIR: "this is a folder; name a file"
        case ENOTDIR: "a part of the path is a file, not a folder"
        case ENOSPC: "free some space or write to another disk"
        case EDQUOT: "the quota is used up; free some space or write to another disk"
        case EROFS: "the disk is read-only; choose another place"
        case EMFILE, ENFILE: "too many files are open; close some or raise `ulimit -n`"
        case ENAMETOOLONG: "use a shorter name"
        case ELOOP: "the path goes through too many symbolic links"
        case EIO: "the disk reported a fault; check it"
        case ENOMEM: "free some memory or address space"
        case ETXTBSY: "this program is running; end it first"
        case EWOULDBLOCK: "in use by another process; wait for it or stop it"
        case EEXIST: "remove it or choose another name"
        default: ""
        }
    }
}

extension FileError: CustomStringConvertible {
    /// One line, such as "a.gguf: cannot open: No such file or directory (check the path)".
    package var description: String {
        let reason = String(cString: strerror(code))
        return "\(path): cannot \(operation.rawValue): \(reason)" + (advice.isEmpty ? "" : " (\(advice))")
    }
}
