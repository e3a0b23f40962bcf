// SPDX-License-Identifier: Apache-2.0
// tiller cache: lists and clears what can be made again.

import ArgumentParser
import Commands
import JSON
import Platform
import Tiller

struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "List or clear the models that were converted in passing.",
        discussion: """
            A command that is given a GGUF file or a model folder converts it once, to a file in tiller/models below \
            $XDG_CACHE_HOME or ~/.cache, and uses that from then on. A source that has changed is converted anew.
            """,
        subcommands: [CacheListCommand.self, CacheClearCommand.self])
}

struct CacheListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the cached files, with source, size and last use.")

    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let cache = try CacheFolder()
        let models = CachedModel.all(in: cache)
        if json {
            let list = models.map { model -> JSON in
                [
                    "name": .string(model.name), "path": .string(model.path),
                    "source": model.source.map { .string($0) } ?? .null, "bytes": .integer(model.byteCount),
                    "last_use": .string(WallClock.isoDate(secondsSince1970: model.lastUse)),
                ]
            }
            return printLine(
                JSON.object(["folder": .string(cache.path), "models": .array(list)]).serialized())
        }
        guard !models.isEmpty else { return printLine("nothing is cached in \(cache.path)".printableLine) }
        let width = models.map(\.name.count).max() ?? 0
        for model in models {
            let size = formatted(bytes: model.byteCount).padded(to: 9)
            let date = WallClock.isoDate(secondsSince1970: model.lastUse)
            printLine(
                "\(model.name.padded(to: width))  \(size)  \(date)  \(model.source ?? "unknown source")"
                    .printableLine)
        }
    }
}

struct CacheClearCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear", abstract: "Remove cached files: those named, or all.",
        discussion: "Programs that run a removed model go on; its source is converted anew when it is needed."
    )

    @Argument(help: "Names as 'tiller cache list' prints them; all if none is given.") var names: [String] =
        []

    func run() throws {
        let models = CachedModel.all(in: try CacheFolder())
        for name in names where !models.contains(where: { $0.name == name }) {
            throw TillerError.invalidFile("the cache has no '\(name)'; 'tiller cache list' lists its names")
        }
        let removed = names.isEmpty ? models : models.filter { names.contains($0.name) }
        for model in removed {
            try model.remove()
            printLine("\(model.name): \(formatted(bytes: model.byteCount)) freed".printableLine)
        }
        if removed.count != 1 {
            printLine("\(formatted(bytes: removed.reduce(0) { $0 + $1.byteCount })) freed in all")
        }
    }
}
