// SPDX-License-Identifier: Apache-2.0
// tiller compact: rewrites the whole file without dead bytes.

import ArgumentParser
import Commands
import Formats
import Tiller

struct CompactCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact", abstract: "Rewrite a file without the bytes of removed profiles.",
        discussion: "The new file replaces the old one once it is complete.")

    @Argument(help: "The model, a .tiller file.") var file: String

    func run() throws {
        try requireOwnModel(file)
        let before = try openModelFile(file).byteCount
        try TillerStore.compact(file)
        let freed = before - (try openModelFile(file).byteCount)
        printLine("\(file.printableLine): \(formatted(bytes: freed)) freed")
    }
}
