// SPDX-License-Identifier: Apache-2.0
// Reports errors of the argument parser; `Commands` reports all others.

import ArgumentParser
import Commands
import Glibc
import Platform
import Tiller

/// Ends the program with an error, or successfully if the "error" carries the --help text.
func end(with error: any Error) -> Never {
    if error is CancellationError { endProgram(with: Interruption()) }
    if error is TillerError || error is Interruption { endProgram(with: error) }
    if let code = error as? ExitCode { exit(code.rawValue) }
    switch TillerCommand.exitCode(for: error) {
    case .success:
        printLine(TillerCommand.message(for: error))
        exit(0)
    case .validationFailure:
        let command = invokedCommand(CommandLine.arguments.dropFirst())
        fail("\(TillerCommand.message(for: error).asClause) see '\(command) --help'", ExitStatus.usage)
    default: endProgram(with: error)
    }
}

/// The command in the arguments, as in "tiller profile train".
private func invokedCommand(_ arguments: some Collection<String>) -> String {
    var command: any ParsableCommand.Type = TillerCommand.self
    var words = ["tiller"]
    for argument in arguments {
        let next = command.configuration.subcommands.first { $0.configuration.commandName == argument }
        guard let next else { break }
        command = next
        words.append(argument)
    }
    return words.joined(separator: " ")
}

extension String {
    /// The parser's sentence as the first clause of our message.
    fileprivate var asClause: String {
        let start = prefix(1).lowercased() + dropFirst()
        if start.hasSuffix("?") { return start }
        return (start.hasSuffix(".") ? String(start.dropLast()) : start) + ";"
    }
}
