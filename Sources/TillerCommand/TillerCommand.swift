// SPDX-License-Identifier: Apache-2.0
// The command line: each command is one file; `Ending` has what they share, the way out.

import ArgumentParser
import Glibc
import Commands
import Tiller

@main
struct TillerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tiller",
        abstract: "Small, steerable language models on modest CPUs.",
        discussion: """
            A GGUF model becomes one .tiller file with 'convert', learns to be steered with 'profile train', and \
            answers with 'chat' and 'generate'.

            Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated.
            """,
        version: tillerVersion,
        subcommands: [ManualCommand.self],
        groupedSubcommands: [
            CommandGroup(
                name: "Model",
                subcommands: [
                    ConvertCommand.self, ProfileCommand.self, ExpertCommand.self, CompactCommand.self,
                    BundleCommand.self, UnbundleCommand.self, KeysCommand.self, SignCommand.self,
                ]),
            CommandGroup(name: "Text", subcommands: [ChatCommand.self, GenerateCommand.self]),
            CommandGroup(
                name: "Report",
                subcommands: [
                    InspectCommand.self, VerifyCommand.self, BenchCommand.self, EvaluateCommand.self,
                ]),
        ])

    static func main() {
        StandardDescriptors.openMissing()
        Signals.install()
        do {
            var command = try parse(Array(textArguments().dropFirst()))
            try command.run()
        } catch { end(with: error) }
    }

    /// The command that arguments ask for, with their values.
    ///
    /// Those that somebody waits for are parsed by themselves: under the root the parser builds the options of every command
    /// on the way several times, which takes 3 ms more.
    private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        let awaited: [any ParsableCommand.Type] = [GenerateCommand.self, ChatCommand.self]
        guard let command = awaited.first(where: { $0.configuration.commandName == arguments.first }) else {
            return try parseAsRoot(arguments)
        }
        return try command.parseAsRoot(Array(arguments.dropFirst()))
    }
}
