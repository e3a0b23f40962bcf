// SPDX-License-Identifier: Apache-2.0
// Options of all commands that run a model.

import ArgumentParser
import Commands
import Tiller

struct EngineOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp(EngineSettings.threads)) var threads: Int?
    @Option(help: ArgumentHelp(EngineSettings.kernels)) var kernels: String?
    @Option(help: ArgumentHelp(EngineSettings.cache)) var cache: Engine.CacheType?
    @Option(parsing: .unconditional, help: ArgumentHelp(EngineSettings.resident)) var resident: Double?

    /// Loads a model, a source by its conversion in the cache; returns it with the load time in seconds.
    func load(_ path: String) throws -> (engine: Engine, seconds: Double) {
        var settings = EngineSettings()
        settings.threads = threads
        settings.kernels = kernels
        settings.cache = cache
        settings.resident = resident
        return try settings.load(ModelCache.modelFile(for: path))
    }
}

extension ArgumentHelp {
    /// The shared commands' help for an option.
    init<Target>(_ option: CommandOption<Target>) {
        self.init("\(option.declaration.help)", valueName: option.declaration.valueName)
    }
}

extension Engine.CacheType: ExpressibleByArgument {}

extension Engine {
    /// Refuses a name that is taken, before work begins whose result could not be stored.
    func requireFree(profileName: String, force: Bool) throws(TillerError) {
        guard force || !profileNames.contains(profileName) else {
            throw .invalidProfile("there is already a profile '\(profileName)'; --force replaces it")
        }
    }
}

/// Options of commands that steer.
struct SteeringOptions: ParsableArguments {
    @Option(name: .customLong("steer"), help: ArgumentHelp(SteeringChoice.profiles)) var profiles: [String] =
        []

    func parsed() throws -> [AppliedProfile] { try profiles.map { try AppliedProfile(parsing: $0) } }

    /// Help about steering for commands that score texts.
    static let scoring =
        "A scored text contains no generated answer, so profiles steer all of it, whatever their phase. Gates that the "
        + "whole prompt decides are open; those that each token decides work as usual."
}

/// Prints a note if no gate has opened: a missing effect then says nothing about the profile.
func printGates(_ haveOpened: Bool?) {
    if haveOpened == false { printLine("gates          none opened on these texts, so nothing was steered") }
}
