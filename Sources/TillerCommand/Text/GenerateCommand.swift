// SPDX-License-Identifier: Apache-2.0
// tiller generate: one prompt, one text.

import ArgumentParser
import Commands
import Tiller

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(.generate)

    @Argument(help: ArgumentHelp(.file)) var file: String
    @Option(parsing: .unconditional, help: ArgumentHelp(.prompt)) var prompt: String
    @Flag(help: ArgumentHelp(.chat)) var chat = false
    @Option(parsing: .unconditional, help: ArgumentHelp(.generateSystem)) var system: String?
    @Option(parsing: .unconditional, help: ArgumentHelp(.generatedTokens)) var maxTokens = 256
    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp(.stop)) var stop: [String] = []
    @Option(parsing: .unconditional, help: ArgumentHelp(.generateContext)) var context: Int?
    @Flag(help: ArgumentHelp(.special)) var special = false
    @Flag(help: ArgumentHelp(.logprobs)) var logprobs = false
    @Option(help: ArgumentHelp(.generateSession)) var session: String?
    @Flag(help: ArgumentHelp(.overcommit)) var overcommit = false
    @Option(help: ArgumentHelp(.requireSignedBy)) var requireSignedBy: String?
    @Flag(help: ArgumentHelp(.generateJSON)) var json = false

    @OptionGroup(title: "Sampling") var sampling: SamplingCommandOptions
    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Steering") var cap: DamageCapOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func validate() throws {
        guard maxTokens >= 0 else {
            throw ValidationError("--max-tokens is \(maxTokens), expected 0 or more")
        }
        guard json || !logprobs else { throw ValidationError("--logprobs needs --json") }
    }

    func run() throws {
        var request = GenerateRequest(file: file, prompt: prompt)
        request.isChat = chat
        request.system = system
        request.generation.sampling = try sampling.parsed()
        request.generation.maximumTokens = maxTokens
        request.generation.stopStrings = stop
        request.generation.reportsLogProbabilities = logprobs
        request.context = context
        request.parsesSpecial = special
        request.overcommits = overcommit
        request.printsJSON = json
        request.generation.maximumDivergence = try cap.parsed()
        request.steering = try steering.parsed()
        request.sessionFile = session
        request.signer = try requireSignedBy.map { try SignatureNames.signer($0) }
        request.engine = engineOptions.settings
        try request.run()
    }
}
