// SPDX-License-Identifier: Apache-2.0
// Loads a model, after checks of number ranges and profile names.

import Formats
import Kernels
import Platform
import Steering
import Tiller

/// Settings of every command that runs a model.
package struct EngineSettings: Sendable {
    /// Nil takes the physical cores allowed to the process.
    package var threads: Int?
    /// Name of an instruction set; nil takes the best.
    package var kernels: String?
    package var cache: Engine.CacheType?
    /// Megabytes of the weights to keep in memory; nil keeps all.
    package var resident: Double?

    package init() {}

    /// Kernels and thread count where no model is loaded.
    package func kernelSetAndThreads() throws -> (KernelSet, threads: Int) {
        try require(threads ?? 1, in: 1...256, option: "--threads")
        return (try kernels.map(KernelSet.named) ?? .best, threads ?? Processor.ownCoreCount)
    }

    /// Loads a model; returns it with the load time in seconds.
    ///
    /// - Parameter check: throws if the file must not be loaded.
    package func load(_ path: String, check: (TillerFile) throws -> Void = { _ in }) throws -> (
        engine: Engine, seconds: Double
    ) {
        try require(threads ?? 1, in: 1...256, option: "--threads")
        var options = Engine.Options()
        options.threads = threads
        options.kernels = kernels
        options.cache = cache
        let start = MonotonicClock.now()
        let file = try openModelFile(path)
        options.residentWeights = try residentWeights(resident, of: file)
        try check(file)
        let engine = try Engine(file: file, path: path, options: options)
        return (engine, MonotonicClock.now() - start)
    }

    /// Loads a model for a conversation or a text, unless it will not fit in memory.
    ///
    /// - Parameters:
    ///   - overcommits: whether to load it even then.
    ///   - signatures: a check that the file must pass, which reads every byte; nil for none.
    /// - Throws: `TillerError.invalidFile` with `memoryRefusal`, or errors of loading.
    func load(
        _ path: String, context: Int, overcommits: Bool, signatures: SignatureCheck?
    ) throws -> (engine: Engine, seconds: Double) {
        try load(path) { file in
            if let signatures {
                _ = try file.verify()
                if let reason = try signatures(file).refusal {
                    throw TillerError.invalidFile("\(path): \(reason)")
                }
            }
            guard !overcommits, let refusal = try refusal(path, file, context: context) else { return }
            throw TillerError.invalidFile(refusal)
        }
    }
}

/// The bytes of `--resident`.
///
/// - Throws: `TillerError` if the model's vocabulary and one layer do not fit.
package func residentWeights(_ megabytes: Double?, of file: TillerFile) throws(TillerError) -> Int? {
    guard let megabytes else { return nil }
    let least = (Double(Engine.leastResidentWeights(of: file)) / 1e6).rounded(.up)
    guard megabytes >= least else {
        throw .invalidOption(
            "--resident is \(megabytes), expected \(formatted(least, digits: 0)) or more for this "
                + "model: its vocabulary and the layers in use stay in memory")
    }
    return Int(min(megabytes, 1e9) * 1e6)
}

/// Refuses a number out of range.
package func require<Value: Comparable>(
    _ value: Value, in range: ClosedRange<Value>, option: String
) throws(TillerError) {
    guard range.contains(value) else {
        throw .invalidOption("\(option) is \(value), expected \(range.lowerBound)...\(range.upperBound)")
    }
}

extension Engine {
    /// The context length for an option: at most the model's trained length, and `usual` unless given.
    package func context(_ wanted: Int?, usual: Int) throws(TillerError) -> Int {
        let limit = min(contextLength, 1 << 20)
        guard let wanted else { return min(usual, limit) }
        guard (1...limit).contains(wanted) else {
            throw .invalidOption("--context is \(wanted), expected 1...\(limit) for this model")
        }
        return wanted
    }

    /// Warns on standard error about strengths outside their profile's safe range.
    package func warn(about steering: [AppliedProfile]) throws(TillerError) {
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
    /// The warning about a strength outside the safe range; nil inside.
    package func warning(about strength: Float) -> String? {
        let isSafe = strength >= minimumStrength && strength <= maximumStrength
        return isSafe ? nil : "outside \(minimumStrength) … \(maximumStrength): text may fall apart"
    }
}

extension Engine {
    /// The names of all profiles; those that did not beat their controls are marked.
    package var labelledProfileNames: [String] {
        profileNames.map { name in
            let standing = (try? profile(named: name))?.standing(in: file) ?? .unproven
            return standing == .notDemonstrated ? "\(name) (not demonstrated)" : name
        }
    }
}
