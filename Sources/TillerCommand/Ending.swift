// SPDX-License-Identifier: Apache-2.0
// How a command that did not succeed ends: one line on standard error, and an exit code that says whose fault
// it was.

import ArgumentParser
import Glibc
import Tiller

/// Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
enum ExitStatus {
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let interrupted: Int32 = 130
}

/// Ends the program because of an error; those that carry --help's text are none.
func end(with error: any Error) -> Never {
    switch error {
    case let error as TillerError:
        if case .invalidOption = error { fail("\(error)", ExitStatus.usage) }
        fail("\(error)", ExitStatus.failure)
    case is CancellationError: fail("interrupted", ExitStatus.interrupted)
    case let code as ExitCode: exit(code.rawValue)
    default: break
    }
    switch TillerCommand.exitCode(for: error) {
    case .success:
        printLine(TillerCommand.message(for: error))
        exit(0)
    case .validationFailure:
        let command = invokedCommand(CommandLine.arguments.dropFirst())
        fail("\(TillerCommand.message(for: error).asClause) see '\(command) --help'", ExitStatus.usage)
    default: fail("\(error)", ExitStatus.failure)
    }
}

private func fail(_ message: String, _ code: Int32) -> Never {
    writeError("tiller: \(message.printableLine)")
    exit(code)
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
