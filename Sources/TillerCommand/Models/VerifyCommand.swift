// SPDX-License-Identifier: Apache-2.0
// tiller verify and tiller compact: the whole file read and checked, or written anew without dead bytes.

import ArgumentParser
import Formats
import Platform
import Commands
import Signing
import Tiller

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(.verify)

    @Argument(help: ArgumentHelp(.file)) var file: String
    @Flag(help: ArgumentHelp(.json)) var json = false
    @Option(help: ArgumentHelp(.signedBy)) var signedBy: String?

    func run() throws {
        var request = VerifyRequest(file: file)
        request.printsJSON = json
        let required = try signedBy.map { try KeyFolder.usual().required($0) }
        let names = SignatureNames()
        request.checkSignatures = { names.report($0, signedBy: required) }
        try request.run()
    }
}

struct CompactCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact", abstract: "Rewrite a file without the bytes of removed profiles.",
        discussion: "The new file takes the old one's place when it is whole.")

    @Argument(help: "The model, a .tiller file.")
    var file: String

    func run() throws {
        let before = try openModelFile(file).byteCount
        try TillerStore.compact(file)
        let freed = before - (try openModelFile(file).byteCount)
        printLine("\(file.printableLine): \(formatted(bytes: freed)) given back")
    }
}
