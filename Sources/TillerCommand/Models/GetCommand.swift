// SPDX-License-Identifier: Apache-2.0
// tiller get: downloads a model from the Hugging Face Hub.

import ArgumentParser
import Commands
import Hub
import JSON
import Terminal
import Tiller

struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Download a model from the Hugging Face Hub.",
        usage: "tiller get [--json] <owner>/<name>[:<type>][@<revision>]",
        discussion: """
            Of a repository it takes the best source of a conversion: the safetensors, or else the GGUF of the best type, \
            Q8_0 first. A type such as Q4_K_M after ':' takes that GGUF, a branch, a tag or a commit after '@' another state.

            Files go to tiller/hub below $XDG_CACHE_HOME or ~/.cache. An interrupted download continues where it was, and \
            checksums are verified. HF_TOKEN gives an access token, HF_ENDPOINT another server; with HF_HUB_OFFLINE=1 \
            nothing is fetched.
            """)

    @Argument(help: ArgumentHelp("The model, as in its address.", valueName: "owner/name")) var model: String

    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let name: RepositoryName
        do { name = try RepositoryName(model) } catch { throw TillerError.invalidOption(error.description) }
        let cache = try CacheFolder()
        let hub = try Hub(HubSettings()) { writeError("tiller: \($0)".printableLine) }
        let bar = ProgressBar(label: "get \(name.name)", total: 1, unit: .bytes)
        var total = 0
        let remedy = "'tiller convert' takes files that were downloaded otherwise"
        let download = try cache.writing(orElse: remedy) {
            try hub.download(name, into: cache.downloads) {
                total = $1
                bar.update($0, total: $1)
            }
        }
        if total > 0 { bar.finish(total: total) }
        report(download)
    }

    private func report(_ download: Hub.Download) {
        let files = download.choice.files
        let byteCount = files.reduce(0) { $0 + $1.byteCount }
        if json {
            let object: JSON.Object = [
                "path": .string(download.path), "files": .array(files.map { .string($0.path) }),
                "bytes": .integer(byteCount), "fetched_bytes": .integer(download.fetchedByteCount),
            ]
            return printLine(JSON.object(object).serialized())
        }
        let fetched =
            download.fetchedByteCount == 0 ? "nothing new" : formatted(bytes: download.fetchedByteCount)
        printLine(
            "fetched   \(fetched) of \(files.count) file\(files.count == 1 ? "" : "s"), \(formatted(bytes: byteCount))"
        )
        printLine("model     \(download.path)".printableLine)
        printLine("next      tiller chat \(quotedForShell(download.path))".printableLine)
    }

    /// A path as a word of a shell's line.
    private func quotedForShell(_ path: String) -> String {
        let isPlain = path.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-@+".contains($0)) }
        return isPlain
            ? path
            : "'" + path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#)
                + "'"
    }
}
