// SPDX-License-Identifier: Apache-2.0
// tiller cache: lists and clears what can be made again.

import ArgumentParser
import Commands
import JSON
import Platform
import Tiller

struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "List or clear what was converted in passing, or downloaded.",
        discussion: """
            A command that is given a GGUF file or a model folder converts it once, to a file in tiller/models below \
            $XDG_CACHE_HOME or ~/.cache, and uses that from then on. A source that has changed is converted anew. \
            'tiller get' downloads to tiller/hub.
            """,
        subcommands: [CacheListCommand.self, CacheClearCommand.self])
}

struct CacheListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the cached files, with source, size and last use.")

    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let cache = try CacheFolder()
        let items = CachedItem.all(in: cache)
        if json {
            let list = items.map { item -> JSON in
                [
                    "name": .string(item.name), "path": .string(item.path),
                    "source": item.source.map { .string($0) } ?? .null, "bytes": .integer(item.byteCount),
                    "last_use": .string(WallClock.isoDate(secondsSince1970: item.lastUse)),
                ]
            }
            return printLine(
                JSON.object(["folder": .string(cache.path), "items": .array(list)]).serialized())
        }
        guard !items.isEmpty else { return printLine("nothing is cached in \(cache.path)".printableLine) }
        let width = items.map(\.name.count).max() ?? 0
        for item in items {
            let size = formatted(bytes: item.byteCount).padded(to: 9)
            let date = WallClock.isoDate(secondsSince1970: item.lastUse)
            printLine(
                "\(item.name.padded(to: width))  \(size)  \(date)  \(item.source ?? "unknown source")"
                    .printableLine)
        }
    }
}

struct CacheClearCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear", abstract: "Remove cached files: those named, or all.",
        discussion:
            "Programs that run a removed model go on; its source is converted, or downloaded, anew when it is needed."
    )

    @Argument(help: "Names as 'tiller cache list' prints them; all if none is given.") var names: [String] =
        []

    func run() throws {
        let items = CachedItem.all(in: try CacheFolder())
        for name in names where !items.contains(where: { $0.name == name }) {
            throw TillerError.invalidFile("the cache has no '\(name)'; 'tiller cache list' lists its names")
        }
        let removed = names.isEmpty ? items : items.filter { names.contains($0.name) }
        for item in removed {
            try item.remove()
            printLine("\(item.name): \(formatted(bytes: item.byteCount)) freed".printableLine)
        }
        if removed.count != 1 {
            printLine("\(formatted(bytes: removed.reduce(0) { $0 + $1.byteCount })) freed in all")
        }
    }
}
