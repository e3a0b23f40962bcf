// SPDX-License-Identifier: Apache-2.0
// tiller chat: a steered conversation in the terminal, or over pipes.

import ArgumentParser
import Commands
import Tiller

struct ChatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(.chat)

    @Argument(help: ArgumentHelp(.file)) var file: String
    @Option(parsing: .unconditional, help: ArgumentHelp(.chatSystem)) var system: String?
    @Option(parsing: .unconditional, help: ArgumentHelp(.chatContext)) var context: Int?
    @Option(parsing: .unconditional, help: ArgumentHelp(.answerTokens)) var maxTokens = 1024
    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp(.stop)) var stop: [String] = []
    @Option(help: ArgumentHelp(.chatSession)) var session: String?
    @Flag(help: ArgumentHelp(.overcommit)) var overcommit = false
    @Option(help: ArgumentHelp(.requireSignedBy)) var requireSignedBy: String?

    @OptionGroup(title: "Sampling") var sampling: SamplingCommandOptions
    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Steering") var cap: DamageCapOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func validate() throws {
        guard maxTokens >= 1 else {
            throw ValidationError("--max-tokens is \(maxTokens), expected 1 or more")
        }
    }

    func run() throws {
        var request = ChatRequest(file: file)
        request.system = system
        request.context = context
        request.overcommits = overcommit
        request.generation.sampling = try sampling.parsed()
        request.generation.maximumTokens = maxTokens
        request.generation.stopStrings = stop
        request.generation.maximumDivergence = try cap.parsed()
        request.steering = try steering.parsed()
        request.sessionFile = session
        request.signer = try requireSignedBy.map { try SignatureNames.signer($0) }
        request.engine = engineOptions.settings
        try request.run()
    }
}

extension CommandConfiguration {
    /// A command that `tiller-run` has too, and that can be parsed without those above it.
    init(_ command: CommandText, usage: String? = nil) {
        self.init(
            commandName: command.name, _superCommandName: "tiller", abstract: command.abstract, usage: usage,
            discussion: command.discussion, version: tillerVersion)
    }
}
