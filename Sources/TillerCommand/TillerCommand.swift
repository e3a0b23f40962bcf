// SPDX-License-Identifier: Apache-2.0
// The command line. Each command is one file; `Ending` is their common way to end.

import ArgumentParser
import Commands
import Glibc
import Tiller

@main
struct TillerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tiller",
        abstract: "Small, steerable language models on modest CPUs.",
        discussion: """
            Convert a model to a .tiller file with 'convert', train steering profiles with 'profile train', and run it \
            with 'chat' and 'generate'.

            Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated.
            """,
        version: tillerVersion,
        subcommands: [ManualCommand.self],
        groupedSubcommands: [
            CommandGroup(
                name: "Model",
                subcommands: [
                    GetCommand.self, ConvertCommand.self, ProfileCommand.self, ExpertCommand.self,
                    CompactCommand.self,
                    BundleCommand.self, UnbundleCommand.self, KeysCommand.self, SignCommand.self,
                    CacheCommand.self,
                ]),
            CommandGroup(
                name: "Text",
                subcommands: [SharedCommand<ChatRequest>.self, SharedCommand<GenerateRequest>.self]),
            CommandGroup(
                name: "Report",
                subcommands: [
                    SharedCommand<InspectRequest>.self, SharedCommand<VerifyRequest>.self,
                    SharedCommand<BenchRequest>.self, EvaluateCommand.self,
                ]),
        ])

    static func main() {
        prepareProgram()
        do { try run(Array(textArguments().dropFirst())) } catch { end(with: error) }
    }

    private static func run(_ words: [String]) throws {
        var words = words
        if let shared = sharedCommands.first(where: { $0.summary.name == words.first }) {
            switch try shared.read(
                Array(words.dropFirst()), name: "tiller \(shared.summary.name)", bundle: nil,
                // Only a .tiller file has checksums to verify.
                modelFile: shared == VerifyRequest.self ? { $0 } : ModelCache.modelFile)
            {
            case .request(let request): return try request.run(SignatureNames.check)
            case .version: return printLine(tillerVersion)
            case .help: words = [shared.summary.name, "--help"]
            }
        }
        var command = try parseAsRoot(words)
        try command.run()
    }
}
