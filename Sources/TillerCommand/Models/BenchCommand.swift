// SPDX-License-Identifier: Apache-2.0
// tiller bench: speed and memory of a model on this machine.

import ArgumentParser
import Commands

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(.bench, usage: "tiller bench [<options>] [<file>]")

    @Argument(help: ArgumentHelp(.file)) var file: String?
    @Option(parsing: .unconditional, help: ArgumentHelp(.benchPromptTokens)) var promptTokens = 512
    @Option(parsing: .unconditional, help: ArgumentHelp(.benchGeneratedTokens)) var generatedTokens = 128
    @Option(parsing: .unconditional, help: ArgumentHelp(.depth)) var depth = 0
    @Option(parsing: .unconditional, help: ArgumentHelp(.repetitions)) var repetitions = 5
    @Flag(help: ArgumentHelp(.operations)) var operations = false
    @Flag(help: ArgumentHelp(.json)) var json = false

    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Steering") var cap: DamageCapOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        var request = BenchRequest(file: file)
        request.options.promptTokens = promptTokens
        request.options.generatedTokens = generatedTokens
        request.options.depth = depth
        request.options.repetitions = repetitions
        request.options.steering = try steering.parsed()
        request.options.maximumDivergence = try cap.parsed()
        request.measuresOperations = operations
        request.printsJSON = json
        request.engine = engineOptions.settings
        try request.run()
    }
}
