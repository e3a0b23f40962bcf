// SPDX-License-Identifier: Apache-2.0
// Keys in files (formats/signature.md §4): secret ones that only their owner can read, and public ones, one's own and those of
// others, which give names to signatures.

import Formats
import Glibc
import Platform

/// A folder of keys.
package struct KeyFolder {
    /// A public key under the name of its file.
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

    package let path: String

    package init(path: String) { self.path = path }

    /// `TILLER_KEYS`, or `tiller/keys` where settings are kept.
    package static func usual() -> KeyFolder {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        let settings = variable("XDG_CONFIG_HOME") ?? (variable("HOME") ?? "") + "/.config"
        return KeyFolder(path: variable("TILLER_KEYS") ?? settings + "/tiller/keys")
    }

    private static let secretTitle = "tiller secret key 1"
    private static let publicTitle = "tiller public key 1"

    /// Makes a key and writes both of its files.
    ///
    /// - Throws: `FileError`, where there is a key of this name already too; `FormatError` R6 for an unfit name.
    package func makeKey(named name: String) throws -> SigningKey {
        guard SteeringProfile.isValidName(name) else {
            throw FormatError(
                .signatureKeyFile, found: "the name \"\(name)\"", expected: "1 to 64 of A-Z a-z 0-9 . _ -")
        }
        try makeFolders()
        let publicPath = "\(path)/\(name).pub"
        // Before the secret file is there, which would be of no use alone.
        try OutputTarget.check(publicPath, replaceExisting: false)
        let key = SigningKey(name: name)
        // The public file comes last: a key is listed when it is whole.
        try write(
            "\(Self.secretTitle)\n\(key.secret.hexadecimal)\n", to: secretPath(of: name), isSecret: true)
        try write(
            "\(Self.publicTitle)\n\(key.publicKey.hexadecimal)\n", to: publicPath, isSecret: false)
        return key
    }

    /// Where the secret key of a name is.
    package func secretPath(of name: String) -> String { "\(path)/\(name).key" }

    /// The secret key of a name.
    /// - Throws: `FileError`, `FormatError` R6.
    package func key(named name: String) throws -> SigningKey {
        guard SteeringProfile.isValidName(name) else {
            throw FormatError(
                .signatureKeyFile, found: "the name \"\(name)\"", expected: "1 to 64 of A-Z a-z 0-9 . _ -")
        }
        return try SigningKey(name: name, secret: read(secretPath(of: name), title: Self.secretTitle))
    }

    /// All public keys, by name.
    /// - Throws: `FileError`, `FormatError` R6 for a file that holds none.
    package func entries() throws -> [Entry] {
        try fileNames().filter { $0.hasSuffix(".pub") }.map { file in
            let name = String(file.dropLast(4))
            return Entry(
                name: name, publicKey: try read("\(path)/\(file)", title: Self.publicTitle),
                hasSecret: access(secretPath(of: name), F_OK) == 0)
        }
    }

    private func read(_ file: String, title: String) throws -> [UInt8] {
        let text = String(decoding: try readFile(path: file, limit: 4096), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 3, lines[0] == title, lines[1].utf8.count == 64, lines[2].isEmpty,
            let bytes = [UInt8](hexadecimal: lines[1])
        else {
            throw FormatError(
                .signatureKeyFile, found: "other text in \(file)",
                expected: "\"\(title)\" and 64 hexadecimal digits, each on a line")
        }
        return bytes
    }

    private func write(_ text: String, to file: String, isSecret: Bool) throws {
        let writer = try AtomicFileWriter(path: file, replaceExisting: false)
        if isSecret { try writer.keepPrivate() }
        try writer.write(Array(text.utf8))
        try writer.commit()
    }

    /// Makes the folder and those around it, for the owner alone.
    private func makeFolders() throws(FileError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
            throw FileError(path: made, operation: .create, code: errno)
        }
    }

    private func fileNames() -> [String] {
        guard let folder = opendir(path) else { return [] }
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
