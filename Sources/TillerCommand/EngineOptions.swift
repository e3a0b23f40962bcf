// SPDX-License-Identifier: Apache-2.0
// Options of every command that runs a model.

import ArgumentParser
import Platform
import Tiller

struct EngineOptions: ParsableArguments {
    @Option(help: "Threads; the physical cores allowed to the process unless given.")
    var threads: Int?

    @Option(help: "Instruction set: portable, avx2 or avx512; the best one unless given.")
    var kernels: String?

    @Option(help: "Cache of keys and values: int8, f16 or f32.")
    var cache: Engine.CacheType?

    /// Loads a model; returns it with the seconds that took.
    func load(_ path: String) throws -> (engine: Engine, seconds: Double) {
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

/// Options of commands that steer.
struct SteeringOptions: ParsableArguments {
    @Option(
        name: .customLong("steer"),
        help: ArgumentHelp(
            "Apply a profile, at its recommended strength unless given.", valueName: "name[=strength]"))
    var profiles: [String] = []

    func parsed() throws -> [Steer] { try profiles.map { try Steer(parsing: $0) } }
}

/// Options that choose the next token.
struct SamplingCommandOptions: ParsableArguments {
    @Option(help: "Randomness; 0 always takes the most likely token.")
    var temperature: Float = SamplingOptions().temperature

    @Option(help: "Keep the k most likely tokens; 0 keeps all.")
    var topK: Int = SamplingOptions().topK

    @Option(help: "Keep the most likely tokens up to this total probability.")
    var topP: Float = SamplingOptions().topP

    @Option(help: "Keep tokens at least this likely relative to the best.")
    var minP: Float = SamplingOptions().minP

    @Option(help: "Divide the logits of recent tokens; 1 is off.")
    var repetitionPenalty: Float = 1

    @Option(help: "Subtract from the logits of recent tokens.")
    var presencePenalty: Float = 0

    @Option(help: "Subtract from recent tokens' logits for each occurrence.")
    var frequencyPenalty: Float = 0

    @Option(help: ArgumentHelp("Add to one token's logit.", valueName: "token=bias"))
    var logitBias: [String] = []

    @Option(help: "Seed; the same one repeats the same text.")
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
