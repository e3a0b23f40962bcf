// SPDX-License-Identifier: Apache-2.0
// tiller verify and tiller compact: the whole file read and checked, or written anew without dead bytes.

import ArgumentParser
import Formats
import Platform
import Terminal
import Tiller

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every byte of a file against its checksums.")

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let model = try openModelFile(file)
        let bar = ProgressBar(label: "verify", total: model.byteCount, unit: .bytes)
        Interrupt.install()
        let isComplete = try model.verify { done, total in
            bar.update(done, total: total)
            return !Interrupt.isRequested
        }
        bar.finish()
        guard isComplete else { throw CancellationError() }
        // Opening an engine checks what checksums cannot: shapes, token tables, profiles.
        let engine = try Engine(path: file)
        for name in engine.profileNames { _ = try engine.profile(named: name) }
        if json {
            printLine(
                "{\"valid\":true,\"sections\":\(model.sections.count),\"torn_bytes\":\(model.tornByteCount)}")
        } else {
            let torn = model.tornByteCount
            let note = torn > 0 ? "; \(torn) bytes of an unfinished append at the end are ignored" : ""
            printLine("\(file): valid, \(model.sections.count) sections\(note)")
        }
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
        // The copy beside the file is finished or fails: an interrupt that left it there would help nobody.
        Interrupt.install(includingTermination: true)
        try TillerStore.compact(file)
        let freed = before - (try openModelFile(file).byteCount)
        printLine("\(file): \(formatted(bytes: freed)) given back")
    }
}
