// SPDX-License-Identifier: Apache-2.0
// How a command that did not succeed ends where the parser of arguments has a say; the rest is `Commands`'.

import ArgumentParser
import Commands
import Glibc
import Platform
import Tiller

/// Ends the program because of an error; those that carry --help's text are none.
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

/// The command that arguments ask for, as in "tiller profile train".
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
    /// A sentence of the parser's as the first part of one of ours.
    fileprivate var asClause: String {
        let start = prefix(1).lowercased() + dropFirst()
        if start.hasSuffix("?") { return start }
        return (start.hasSuffix(".") ? String(start.dropLast()) : start) + ";"
    }
}
