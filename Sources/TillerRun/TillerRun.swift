// SPDX-License-Identifier: Apache-2.0
// The small program: it only runs models, needs no shared library, and is the program part of bundles.

import Commands
import Tiller

@main
enum TillerRun {
    static func main() {
        prepareProgram()
        do { try run(textArguments()) } catch { endProgram(with: error) }
    }

    private static func run(_ words: [String]) throws {
        let bundle = try OwnBundle.find()
        let program = words.first ?? "tiller-run"
        let arguments = Array(words.dropFirst())
        var rest = arguments[...]
        switch arguments.first {
        case "--help", "-h", "help": return printLine(HelpText.program(program, isBundle: bundle != nil))
        case "--version": return printLine(tillerVersion)
        case nil where bundle == nil: return printLine(HelpText.program(program, isBundle: false))
        default: break
        }
        // A bundle starts a conversation unless a command is given.
        let word = bundle != nil && arguments.first?.hasPrefix("-") != false ? "chat" : rest.removeFirst()
        guard let command = sharedCommands.first(where: { $0.summary.name == word }) else {
            let kind = word.hasPrefix("-") ? "unknown option" : "unknown command"
            throw TillerError.invalidOption("\(kind) '\(word)'; see '\(program) --help'")
        }
        let name = "\(program) \(word)"
        switch try command.read(Array(rest), name: name, bundle: bundle) {
        case .request(let request): try request.run(nil)
        case .help: printLine(HelpText.command(command, name: name, isBundle: bundle != nil))
        case .version: printLine(tillerVersion)
        }
    }
}
