// SPDX-License-Identifier: Apache-2.0
// Options of every command that runs a model.

import ArgumentParser
import Commands
import Tiller

struct EngineOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp(.threads)) var threads: Int?
    @Option(help: ArgumentHelp(.kernels)) var kernels: String?
    @Option(help: ArgumentHelp(.cache)) var cache: Engine.CacheType?
    @Option(parsing: .unconditional, help: ArgumentHelp(.resident)) var resident: Double?

    var settings: EngineSettings {
        EngineSettings(threads: threads, kernels: kernels, cache: cache, resident: resident)
    }

    /// Loads a model; returns it with the seconds that took.
    func load(_ path: String) throws -> (engine: Engine, seconds: Double) { try settings.load(path) }
}

extension ArgumentHelp {
    /// What both programs say of an option.
    init(_ option: OptionDeclaration) { self.init("\(option.help)", valueName: option.valueName) }
}

extension Engine.CacheType: ExpressibleByArgument {}

extension Engine {
    /// Refuses a name that is taken, before work begins whose result would have to be thrown away.
    func requireFree(profileName: String, force: Bool) throws(TillerError) {
        guard force || !profileNames.contains(profileName) else {
            throw .invalidProfile("there is a profile '\(profileName)' already; --force replaces it")
        }
    }
}

/// Options of commands that steer.
struct SteeringOptions: ParsableArguments {
    @Option(name: .customLong("steer"), help: ArgumentHelp(.steer)) var profiles: [String] = []

    func parsed() throws -> [Steer] { try profiles.map { try Steer(parsing: $0) } }

    /// What commands that score texts say of steering.
    static let scoring =
        "A scored text has no answer that is generated, so profiles steer all of it, whatever their phase, and gates that "
        + "a prompt opens are open; what each token opens stays as it is."
}

/// Says that steering waited in vain, where it did: no effect is then no measurement of what the profile does.
func printGates(_ haveOpened: Bool?) {
    if haveOpened == false { printLine("gates          none opened on these texts, so nothing was steered") }
}

/// Options that choose the next token.
struct SamplingCommandOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp(.temperature))
    var temperature: Float = SamplingOptions().temperature

    @Option(parsing: .unconditional, help: ArgumentHelp(.topK)) var topK: Int = SamplingOptions().topK
    @Option(parsing: .unconditional, help: ArgumentHelp(.topP)) var topP: Float = SamplingOptions().topP
    @Option(parsing: .unconditional, help: ArgumentHelp(.minP)) var minP: Float = SamplingOptions().minP

    @Option(parsing: .unconditional, help: ArgumentHelp(.repetitionPenalty))
    var repetitionPenalty: Float = 1

    @Option(parsing: .unconditional, help: ArgumentHelp(.presencePenalty)) var presencePenalty: Float = 0
    @Option(parsing: .unconditional, help: ArgumentHelp(.frequencyPenalty)) var frequencyPenalty: Float = 0

    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp(.logitBias))
    var logitBias: [String] = []

    @Option(parsing: .unconditional, help: ArgumentHelp(.seed)) var seed: UInt64?

    func parsed() throws -> SamplingOptions {
        var options = SamplingOptions()
        options.temperature = temperature
        options.topK = topK
        options.topP = topP
        options.minP = minP
        options.repetitionPenalty = repetitionPenalty
        options.presencePenalty = presencePenalty
        options.frequencyPenalty = frequencyPenalty
        try options.setSeed(seed)
        try options.setLogitBias(parsing: logitBias)
        try options.validate()
        return options
    }
}
