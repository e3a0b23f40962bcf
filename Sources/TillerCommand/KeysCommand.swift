// SPDX-License-Identifier: Apache-2.0
// tiller keys and tiller sign: who vouches for a file.

import ArgumentParser
import Formats
import JSON
import Platform
import Runtime
import Signing
import Tiller

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Make and list the keys that sign models and profiles.",
        discussion: """
            Keys are in the folder tiller/keys where your settings are, or in TILLER_KEYS. Give NAME.pub to others; put \
            theirs there, and their signatures are shown under the file's name.
            """,
        subcommands: [KeysNewCommand.self, KeysListCommand.self])
}

struct KeysNewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "new", abstract: "Make a key.")

    @Argument(help: "The name that its signatures carry.")
    var name: String

    func run() throws {
        try requireValid(profileName: name)
        let folder = KeyFolder.usual()
        let key = try folder.makeKey(named: name)
        printLine(
            "made      \(folder.path.printableLine)/\(name).key, which is secret, and \(name).pub, which is for others"
        )
        printLine("public    \(key.publicKey.hexadecimal)")
    }
}

struct KeysListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the known keys.")

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let entries = try KeyFolder.usual().entries()
        if json {
            let list = entries.map {
                JSON.object([
                    "name": .string($0.name), "public_key": .string($0.publicKey.hexadecimal),
                    "has_secret": .bool($0.hasSecret),
                ])
            }
            return printLine(JSON.object(["keys": .array(list)]).serialized())
        }
        guard !entries.isEmpty else { return printLine("no keys; make one with: tiller keys new NAME") }
        let width = entries.map(\.name.count).max() ?? 0
        for entry in entries {
            printLine(
                "\(entry.name.padded(to: width))  \(entry.publicKey.hexadecimal)  \(entry.hasSecret ? "own" : "of others")"
            )
        }
    }
}

struct SignCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Sign a model file, or a bundle's model, as it is now.",
        discussion: """
            The signature covers every section by its checksum: weights, tokenizer, profiles. 'tiller verify' checks it, \
            and says what was added or removed since. Signing reads the whole file first.
            """)

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(help: ArgumentHelp("The key, made by 'tiller keys new'.", valueName: "name"))
    var key: String

    func run() throws {
        let key = try KeyFolder.usual().key(named: key)
        let model = try openModelFile(file)
        Interrupt.install()
        // Whoever signs damaged weights would vouch for the damage.
        guard try model.verify(progress: { _, _ in !Interrupt.isRequested }) else {
            throw CancellationError()
        }
        try TillerStore.add(key.sign(model.signableDigests), in: file)
        printLine(
            "signed    \(file.printableLine), \(model.signableDigests.count) sections, by '\(key.name)'")
    }
}

/// Signatures as people are told of them.
struct SignatureNames {
    private let known: [KeyFolder.Entry]

    init() throws { known = try KeyFolder.usual().entries() }

    /// Whose a signature is: the name of a known key, or what the signer claims.
    func name(_ signature: Signature) -> String {
        guard signature.isValid else { return "not valid, in the name of '\(signature.signer)'" }
        let key = signature.publicKey.hexadecimal
        guard let entry = known.first(where: { $0.publicKey == signature.publicKey }) else {
            return "by unknown key \(key.prefix(16))…, which calls itself '\(signature.signer)'"
        }
        return "by '\(entry.name)'"
    }

    /// Who signed a profile of a file: its own signatures and those of the whole file.
    func text(of profile: StoredProfile, in file: TillerFile) -> String {
        let found = file.signatures.map(\.signature).filter { $0.digests.contains(profile.digest) }
        return found.isEmpty ? "unsigned" : "signed " + found.map(name).joined(separator: ", ")
    }

    /// Lines about a whole file's signatures, and whether all of them are valid.
    func report(_ file: TillerFile) -> SignatureReport {
        var lines: [String] = []
        var list: [JSON] = []
        var areValid = true
        for signature in file.signatures.map(\.signature) {
            let (added, missing) = file.difference(from: signature)
            let isOfProfile = signature.digests.count == 1
            var line = "signed \(name(signature))"
            if isOfProfile {
                let profile = file.profiles.first { signature.digests == [$0.digest] }
                line += profile.map { ": profile '\($0.name)'" } ?? ": a profile that is gone"
            } else {
                if !added.isEmpty { line += "; added since: \(added.joined(separator: ", "))" }
                if missing > 0 { line += "; \(missing) signed section\(missing == 1 ? " is" : "s are") gone" }
            }
            lines.append(line)
            areValid = areValid && signature.isValid
            list.append([
                "signer": .string(signature.signer), "public_key": .string(signature.publicKey.hexadecimal),
                "valid": .bool(signature.isValid), "sections": .integer(signature.digests.count),
                "added": .array(isOfProfile ? [] : added.map { .string($0) }), "missing": .integer(missing),
            ])
        }
        return SignatureReport(
            lines: lines.isEmpty ? ["unsigned"] : lines, json: .array(list), areValid: areValid)
    }
}
