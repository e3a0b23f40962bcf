// SPDX-License-Identifier: Apache-2.0
// Options of several commands: sampling, steering, the machine.

import Formats
import Kernels
import Tiller

extension SamplingOptions: OptionTarget {
    package static var title: String { "Sampling" }

    package static let options: [CommandOption<Self>] = [
        .value("temperature", "t", "Randomness; 0 always takes the most likely token.", \.temperature),
        .value("top-k", "k", "Keep the k most likely tokens; 0 keeps all.", \.topK),
        .value(
            "top-p", "p", "Of the tokens left by top-k and min-p, keep the best up to this probability.",
            \.topP),
        .value(
            "min-p", "p", "Keep tokens at least this likely relative to the best; before top-p.", \.minP),
        .value(
            "repetition-penalty", "x",
            "Divide the logits of recent tokens, before the other penalties; 1 is off.", \.repetitionPenalty),
        .value(
            "presence-penalty", "x", "Subtract from the logits of recent tokens.", \.presencePenalty),
        .value(
            "frequency-penalty", "x", "Subtract from recent tokens' logits for each occurrence.",
            \.frequencyPenalty),
        .several("logit-bias", "token=bias", "Add to the logit of a token id, after the penalties.") {
            try $1.setLogitBias(parsing: $0)
        },
        .value("seed", "n", "The same seed repeats the same text.", \.seed),
    ]

    /// Parses the texts of `--logit-bias`, as in 42=-1.5.
    private mutating func setLogitBias(parsing entries: [String]) throws(TillerError) {
        for entry in entries {
            let parts = entry.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let token = Int32(parts[0]), let bias = Float(parts[1]) else {
                throw .invalidOption(
                    "logit bias '\(entry)' is not of the form TOKEN=BIAS, as in 42=-1.5")
            }
            logitBias[token] = bias
        }
    }

    /// Refuses values out of range, including a seed that JSON cannot represent.
    func check() throws(TillerError) {
        if let seed, seed > UInt64(Int.max) {
            throw .invalidOption("--seed is \(seed), expected 0...\(Int.max)")
        }
        try validate()
    }
}

/// The steering profiles, and the bound of their effect.
package struct SteeringChoice: OptionTarget, Sendable {
    package var profiles: [AppliedProfile] = []
    /// The value of `--max-divergence`; nil for no bound.
    var maximumDivergence: Double?

    package init() {}

    package static var title: String { "Steering" }
    package static let options: [CommandOption<Self>] = [
        profiles,
        .value(
            "max-divergence", "nats",
            "Maximum KL in nats by which steering may change the distribution of each token; 0 gives the unsteered text.",
            \.maximumDivergence),
    ]
    package static let profiles = CommandOption<Self>.several(
        "steer", "name[=strength]",
        "Steer by a profile, at its recommended strength by default; several add up.",
        kind: .word
    ) { $1.profiles = try $0.map { try AppliedProfile(parsing: $0) } }

    /// Takes a bundle's profiles if none are chosen.
    mutating func adopt(_ settings: BundleSettings) {
        guard profiles.isEmpty else { return }
        profiles = settings.steering.map { AppliedProfile($0.name, strength: $0.strength) }
    }

    /// Refuses a bound out of range.
    func check() throws(TillerError) {
        let largest = GenerationOptions.largestDivergence
        guard let limit = maximumDivergence, !(limit >= 0 && limit <= largest) else { return }
        throw .invalidOption("--max-divergence is \(limit), expected 0...\(Int(largest)) nats")
    }
}

extension EngineSettings: OptionTarget {
    package static var title: String { "Machine" }
    package static let options = [threads, kernels, cache, resident]

    package static let threads = CommandOption<Self>.value(
        "threads", "n", "Threads; by default the physical cores allowed to the process.", \.threads)
    package static let kernels = CommandOption<Self>.value(
        "kernels", "name",
        "Instruction set, one of \(KernelSet.allNames.joined(separator: ", ")); the best one by default.",
        \.kernels, kind: .word)
    package static let cache = CommandOption<Self>.value(
        "cache", "type", "Type of the KV cache; by default int8, or f32 for a model with f32 weights.",
        \.cache, kind: .word, choices: Engine.CacheType.allCases.map(\.rawValue))
    package static let resident = CommandOption<Self>.value(
        "resident", "mb",
        "Maximum MB of weights in memory at once; further layers are mapped only while they are read. By default all.",
        \.resident)
}

extension Engine.CacheType: LosslessStringConvertible {
    public init?(_ description: String) { self.init(rawValue: description) }
    public var description: String { rawValue }
}
