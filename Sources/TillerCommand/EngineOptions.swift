// SPDX-License-Identifier: Apache-2.0
// Options of every command that runs a model.

import ArgumentParser
import Formats
import Kernels
import Platform
import Tiller

struct EngineOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Threads; the physical cores allowed to the process unless given.", valueName: "n")
    )
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            "Instruction set, one of \(KernelSet.allNames.joined(separator: ", ")); the best one unless given.",
            valueName: "name"))
    var kernels: String?

    @Option(
        help: ArgumentHelp(
            "Cache of keys and values; int8, or f32 for a model of f32 weights, unless given.",
            valueName: "type"))
    var cache: Engine.CacheType?

    /// What runs where no model is loaded.
    func kernelSetAndThreads() throws -> (KernelSet, threads: Int) {
        try require(threads ?? 1, in: 1...256, option: "--threads")
        return (try kernels.map(KernelSet.named) ?? .best, threads ?? Processor.physicalCoreCount())
    }

    /// Loads a model; returns it with the seconds that took.
    func load(_ path: String) throws -> (engine: Engine, seconds: Double) {
        try require(threads ?? 1, in: 1...256, option: "--threads")
        var options = Engine.Options()
        options.threads = threads
        options.kernels = kernels
        options.cache = cache
        let start = MonotonicClock.now()
        let engine = try Engine(path: path, options: options)
        return (engine, MonotonicClock.now() - start)
    }
}

extension Engine.CacheType: ExpressibleByArgument {}

/// Refuses a number outside its range.
func require<Value: Comparable>(
    _ value: Value, in range: ClosedRange<Value>, option: String
) throws(TillerError) {
    guard range.contains(value) else {
        throw .invalidOption("\(option) is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
}

extension Engine {
    /// The context that an option asks for: at most what the model was trained for, and `usual` unless given.
    func context(_ wanted: Int?, usual: Int) throws(TillerError) -> Int {
        let limit = min(contextLength, 1 << 20)
        guard let wanted else { return min(usual, limit) }
        guard (1...limit).contains(wanted) else {
            throw .invalidOption("--context is \(wanted), expected 1...\(limit) for this model")
        }
        return wanted
    }
}

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
    @Option(
        name: .customLong("steer"),
        help: ArgumentHelp(
            "Apply a profile, at its recommended strength unless given; several add up.",
            valueName: "name[=strength]"))
    var profiles: [String] = []

    func parsed() throws -> [Steer] { try profiles.map { try Steer(parsing: $0) } }
}

extension Engine {
    /// Says on standard error which strengths are outside their profile's safe range.
    func warn(about steering: [Steer]) throws(TillerError) {
        for steer in steering {
            let profile = try profile(named: steer.name)
            guard let warning = profile.warning(about: steer.strength ?? profile.recommendedStrength) else {
                continue
            }
            writeError(
                "tiller: warning: \(steer.name)=\(steer.strength ?? profile.recommendedStrength) is \(warning)"
            )
        }
    }
}

extension SteeringProfile {
    /// What to say of a strength outside the safe range; nil inside.
    func warning(about strength: Float) -> String? {
        let isSafe = strength >= minimumStrength && strength <= maximumStrength
        return isSafe ? nil : "outside \(minimumStrength) … \(maximumStrength): text may fall apart"
    }
}

/// Options that choose the next token.
struct SamplingCommandOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Randomness; 0 always takes the most likely token.", valueName: "t"))
    var temperature: Float = SamplingOptions().temperature

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Keep the k most likely tokens; 0 keeps all.", valueName: "k"))
    var topK: Int = SamplingOptions().topK

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Keep the most likely tokens up to this total probability.", valueName: "p"))
    var topP: Float = SamplingOptions().topP

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Keep tokens at least this likely relative to the best.", valueName: "p"))
    var minP: Float = SamplingOptions().minP

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Divide the logits of recent tokens; 1 is off.", valueName: "x"))
    var repetitionPenalty: Float = 1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Subtract from the logits of recent tokens.", valueName: "x"))
    var presencePenalty: Float = 0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Subtract from recent tokens' logits for each occurrence.", valueName: "x"))
    var frequencyPenalty: Float = 0

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Add to the logit of a token id.", valueName: "token=bias"))
    var logitBias: [String] = []

    @Option(
        parsing: .unconditional, help: ArgumentHelp("The same seed repeats the same text.", valueName: "n"))
    var seed: UInt64?

    func parsed() throws -> SamplingOptions {
        var options = SamplingOptions()
        options.temperature = temperature
        options.topK = topK
        options.topP = topP
        options.minP = minP
        options.repetitionPenalty = repetitionPenalty
        options.presencePenalty = presencePenalty
        options.frequencyPenalty = frequencyPenalty
        if let seed, seed > UInt64(Int.max) {
            throw TillerError.invalidOption("--seed is \(seed), expected 0...\(Int.max)")
        }
        options.seed = seed
        for entry in logitBias {
            let parts = entry.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let token = Int32(parts[0]), let bias = Float(parts[1]) else {
                throw TillerError.invalidOption(
                    "logit bias '\(entry)' is not of the form TOKEN=BIAS, as in 42=-1.5")
            }
            options.logitBias[token] = bias
        }
        try options.validate()
        return options
    }
}
