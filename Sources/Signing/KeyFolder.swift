// SPDX-License-Identifier: Apache-2.0
// Keys in files (formats/signature.md §4): secret keys, which only their owner can read, and public keys, one's own and
// those of others, which give names to signatures.

import Formats
import Glibc
import Platform

/// A folder of keys.
package struct KeyFolder {
    /// A public key, named by its file.
    package struct Entry: Equatable {
        package let name: String
        package let publicKey: [UInt8]
        package let hasSecret: Bool

        package init(name: String, publicKey: [UInt8], hasSecret: Bool) {
            self.name = name
            self.publicKey = publicKey
            self.hasSecret = hasSecret
        }
    }

    /// The contents of a folder.
    package struct Contents {
        /// Sorted by name.
        package var entries: [Entry] = []
        /// One line per file that was skipped, or that others can read though they should not.
        package var warnings: [String] = []
    }

    package let path: String

    package init(path: String) { self.path = path }

    /// `TILLER_KEYS`, or `tiller/keys` in the user's configuration folder.
    package static func usual() -> KeyFolder {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        let settings = variable("XDG_CONFIG_HOME") ?? (variable("HOME") ?? "") + "/.config"
        return KeyFolder(path: variable("TILLER_KEYS") ?? settings + "/tiller/keys")
    }

    private static let secretTitle = "tiller secret key 1"
    private static let publicTitle = "tiller public key 1"

    /// Makes a key and writes its two files.
    ///
    /// - Throws: `FileError`, also if a key of this name exists; `FormatError` R6 for an invalid name.
    package func makeKey(named name: String) throws -> SigningKey {
        guard StoredProfile.isValidName(name) else { throw unfitName(name) }
        try makeFolders()
        let publicPath = "\(path)/\(name).pub"
        // Checked before the secret file is written, which would be useless alone.
        try OutputTarget.check(publicPath, replaceExisting: false)
        let key = SigningKey(name: name)
        // Write the public file last, so that a key is listed only when it is complete.
        try write(
            "\(Self.secretTitle)\n\(key.secret.hexadecimal)\n", to: secretPath(of: name), isSecret: true)
        try write(
            "\(Self.publicTitle)\n\(key.publicKey.hexadecimal)\n", to: publicPath, isSecret: false)
        return key
    }

    /// The path of a key's secret file.
    package func secretPath(of name: String) -> String { "\(path)/\(name).key" }

    /// The secret key of a name.
    ///
    /// - Parameter warn: called with a message if others can read the file.
    /// - Throws: `FileError`, `FormatError` R6.
    package func key(named name: String, warn: (String) -> Void) throws -> SigningKey {
        guard StoredProfile.isValidName(name) else { throw unfitName(name) }
        let (secret, permissions) = try read(secretPath(of: name), title: Self.secretTitle)
        let key = try SigningKey(name: name, secret: secret)
        if permissions & 0o077 != 0 { warn(Self.openSecret(secretPath(of: name))) }
        return key
    }

    /// The public key of a name: one's own, or another person's.
    /// - Throws: `FileError`, `FormatError` R6, R8.
    package func publicKey(named name: String) throws -> [UInt8] {
        guard StoredProfile.isValidName(name) else { throw unfitName(name) }
        return try readPublicKey("\(path)/\(name).pub")
    }

    /// All public keys. Invalid files are skipped with a warning: one bad file must not prevent the verification of signatures.
    package func contents() -> Contents {
        var contents = Contents()
        for file in fileNames(&contents.warnings) where file.hasSuffix(".pub") {
            let name = String(file.dropLast(4))
            do {
                guard StoredProfile.isValidName(name) else { throw unfitName(name) }
                let publicKey = try readPublicKey("\(path)/\(file)")
                var status = stat()
                let hasSecret = stat(secretPath(of: name), &status) == 0
                if hasSecret, status.st_mode & 0o077 != 0 {
                    contents.warnings.append(Self.openSecret(secretPath(of: name)))
                }
                contents.entries.append(Entry(name: name, publicKey: publicKey, hasSecret: hasSecret))
            } catch { contents.warnings.append("\(error); \(path)/\(file) is skipped") }
        }
        return contents
    }

    private static func openSecret(_ file: String) -> String {
        "\(file) is secret, but others can read or change it; run chmod 600 on it"
    }

    private func unfitName(_ name: String) -> FormatError {
        FormatError(
            .signatureKeyFile, found: "the name \"\(name)\"", expected: "1 to 64 of A-Z a-z 0-9 . _ -")
    }

    private func readPublicKey(_ file: String) throws -> [UInt8] {
        let key = try read(file, title: Self.publicTitle).bytes
        guard !hasSmallOrder(key) else {
            throw FormatError(
                .signatureSmallOrder, found: "\(key.hexadecimal) in \(file)",
                expected: "a key with which only its owner can sign")
        }
        return key
    }

    private func read(_ file: String, title: String) throws -> (bytes: [UInt8], permissions: mode_t) {
        let (content, permissions) = try readRegularFile(path: file, limit: 4096)
        let lines = String(decoding: content, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 3, lines[0] == title, lines[1].utf8.count == 64, lines[2].isEmpty,
            let bytes = [UInt8](hexadecimal: lines[1])
        else {
            throw FormatError(
                .signatureKeyFile, found: "other text in \(file)",
                expected: "\"\(title)\" and 64 hexadecimal digits, each on a line")
        }
        return (bytes, permissions)
    }

    private func write(_ text: String, to file: String, isSecret: Bool) throws {
        let writer = try AtomicFileWriter(path: file, replaceExisting: false)
        if isSecret { try writer.keepPrivate() }
        try writer.write(Array(text.utf8))
        try writer.commit()
    }

    /// Creates the folder and its parents, accessible to the owner only.
    private func makeFolders() throws(FileError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
            throw FileError(path: made, operation: .create, code: errno)
        }
    }

    /// The folder's files; none if it does not exist.
    private func fileNames(_ warnings: inout [String]) -> [String] {
        guard let folder = opendir(path) else {
            if errno != ENOENT {
                warnings.append("\(FileError(path: path, operation: .open, code: errno)); no key is known")
            }
            return []
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names.sorted()
    }
}
