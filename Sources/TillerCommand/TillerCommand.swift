// SPDX-License-Identifier: Apache-2.0
// The command line: each command is one file; here is what they share, the way out.

import ArgumentParser
import Glibc
import Tiller

@main
struct TillerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tiller",
        abstract: "Small, steerable language models on modest CPUs.",
        version: tillerVersion,
        subcommands: [
            ConvertCommand.self, ChatCommand.self, GenerateCommand.self, ProfileCommand.self,
            InspectCommand.self,
            VerifyCommand.self, BenchCommand.self, EvaluateCommand.self, CompactCommand.self,
        ])

    /// Exit codes: 0 done, 1 failed, 2 wrong usage.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let error as TillerError {
            if case .invalidOption = error { fail(error, code: 2) }
            fail(error, code: 1)
        } catch let error where exitCode(for: error) == .success {
            // --help and --version arrive as errors whose message is the answer.
            print(message(for: error))
            Glibc.exit(0)
        } catch let error where exitCode(for: error) == .validationFailure {
            writeError(fullMessage(for: error))
            Glibc.exit(2)
        } catch let error as ExitCode {
            Glibc.exit(error.rawValue)
        } catch {
            fail(error, code: 1)
        }
    }

    private static func fail(_ error: any Error, code: Int32) -> Never {
        writeError("tiller: \(error)")
        Glibc.exit(code)
    }
}
