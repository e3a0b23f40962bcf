// SPDX-License-Identifier: Apache-2.0
// tiller keys and tiller sign: manages keys, and signs files.

import ArgumentParser
import Commands
import Formats
import JSON
import Platform
import Signing
import Steering
import Tiller

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Make and list the keys that sign models and profiles.",
        discussion: """
            Keys are in tiller/keys below $XDG_CONFIG_HOME or ~/.config, or in the folder $TILLER_KEYS. Give NAME.pub to \
            others; put theirs into that folder, and their signatures are shown under the names of these files.
            """,
        subcommands: [KeysNewCommand.self, KeysListCommand.self])
}

struct KeysNewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "new", abstract: "Make a key.")

    @Argument(help: "The signer's name in its signatures.") var name: String

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

    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let contents = KeyFolder.usual().contents()
        contents.warnings.forEach(warn)
        let entries = contents.entries
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
                "\(entry.name.padded(to: width))  \(entry.publicKey.hexadecimal)  \(entry.hasSecret ? "own" : "public")"
            )
        }
    }
}

struct SignCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Sign a model file, or a bundle's model, as it is now.",
        discussion: """
            The signature covers the kind and checksum of every section: weights, tokenizer, template, profiles. 'tiller \
            verify' checks it, refuses a file from which anything is missing, and names profiles that were added later. \
            Signing first reads the whole file. It replaces an earlier signature by the same key.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String

    @Option(help: ArgumentHelp("The key, made by 'tiller keys new'.", valueName: "name")) var key: String

    func run() throws {
        try requireOwnModel(file)
        let key = try KeyFolder.usual().key(named: key, warn: warn)
        let names = SignatureNames()
        let model = try openModelFile(file)
        // A signature on damaged weights would vouch for the damage.
        _ = try model.verify()
        let sections = model.signableSections
        let dropped = try TillerStore.add(key.sign(sections, scope: .file), in: file)
        printLine("signed    \(file.printableLine), \(sections.count) sections, by '\(key.name)'")
        for signature in dropped {
            printLine("dropped   outdated signature: signed \(names.name(signature))".printableLine)
        }
    }
}
