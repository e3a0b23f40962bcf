// SPDX-License-Identifier: Apache-2.0
// tiller profile gate: a profile that acts only where another profile's concept is present.

import ArgumentParser
import Commands
import Evaluation
import Formats
import Steering
import Terminal
import Tiller
import Training

struct ProfileGateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gate", abstract: "Let a profile act only where a condition holds.",
        discussion: """
            The condition is the direction of another profile in the file: states after its layer are projected onto \
            it, in units of that layer's RMS, and the gate opens above or below a threshold. Each token decides for \
            itself or, with --once, the mean over the prompt decides for the answer. --pairs finds the threshold: halfway \
            between the positive sides, for which the gate opens, and the negative ones.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile that gets the gate.") var name: String

    @Option(help: ArgumentHelp("The profile whose direction is the condition.", valueName: "condition"))
    var when: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Open above this projection.", valueName: "x"))
    var above: Float?

    @Option(parsing: .unconditional, help: ArgumentHelp("Open below this projection.", valueName: "x"))
    var below: Float?

    @Option(
        help: ArgumentHelp("JSON lines with positive and negative sides, for a threshold.", valueName: "path")
    )
    var pairs: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The layer after which the condition is read; by default its last one before the profile acts.",
            valueName: "layer"))
    var layer: Int?

    @Flag(help: "Decide once, from the prompt, for all that is generated after it.") var once = false

    @Flag(help: "Remove the gate.") var off = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func validate() throws {
        let thresholds = [above != nil, below != nil, pairs != nil].count { $0 }
        if off, when == nil, thresholds == 0, layer == nil, !once { return }
        guard !off, when != nil, thresholds == 1 else {
            throw ValidationError(
                "expected --when CONDITION with one of --above, --below and --pairs; or --off alone")
        }
    }

    func run() throws {
        let rows = try pairs.map { try readPairs(path: $0).pairs }
        try requireOwnModel(file)
        let model = try openModelFile(file)
        var profile = try model.requireProfile(named: name)
        if let when {
            let condition = try model.requireProfile(named: when)
            guard profile.phase != .prompt || !once else {
                throw TillerError.invalidOption(
                    "'\(name)' acts only on the prompt; a decision by the whole prompt comes too late for it")
            }
            let (layer, direction) = try read(condition, for: profile)
            let vector = profile.vectors.firstIndex(of: direction) ?? profile.vectors.count
            if vector == profile.vectors.count { profile.vectors.append(direction) }
            let (comparison, threshold) = try threshold(profile, layer, direction, rows)
            let gate = SteeringProfile.Gate(
                layer: layer, vector: vector, comparison, threshold, scope: once ? .prompt : .token)
            for index in profile.operations.indices { profile.operations[index].gate = gate }
            printLine(
                "'\(name)' acts where '\(when)' is \(comparison.rawValue) \(threshold) after layer \(layer), "
                    + (once ? "decided by the prompt" : "decided by each token"))
        } else {
            for index in profile.operations.indices { profile.operations[index].gate = nil }
            printLine("'\(name)' always acts")
        }
        // The user has already accepted a profile of another source. A receipt for other gates does not apply.
        try TillerProfileStore.add(
            profile.with(nil), in: file, replacesExisting: true, acceptsOtherSource: true)
    }

    /// The layer of the condition, and its unit vector there.
    private func read(_ condition: SteeringProfile, for profile: SteeringProfile) throws(TillerError)
        -> (layer: Int, direction: [Float])
    {
        guard condition.hiddenSize == profile.hiddenSize else {
            throw .invalidProfile("'\(condition.name)' and '\(profile.name)' are for different models")
        }
        // A decision per token must precede the first operation.
        let last =
            once
            ? profile.layerCount - 1
            : profile.operations.map { $0.site == .residual ? $0.layer : $0.layer - 1 }.min() ?? 0
        let usable = condition.operations.filter { $0.width == nil && $0.layer <= last }
        let wanted = layer ?? usable.map(\.layer).max()
        guard let operation = usable.first(where: { $0.layer == wanted }) else {
            throw .invalidOption(
                "'\(condition.name)' has directions after layers \(condition.layersText); for '\(profile.name)' the "
                    + "condition must be read after "
                    + (layer.map { "layer \($0), at most \(last)" } ?? "layer \(last) or before")
                    + (once ? "" : "; train it with --layers, or decide with --once"))
        }
        let direction = condition.vectors[operation.vector].unitNorm
        guard direction.contains(where: { $0 != 0 }) else {
            throw .invalidProfile("'\(condition.name)' has no direction after layer \(operation.layer)")
        }
        return (operation.layer, direction)
    }

    private func threshold(
        _ profile: SteeringProfile, _ layer: Int, _ direction: [Float], _ rows: [ContrastivePair]?
    ) throws -> (SteeringProfile.Gate.Comparison, Float) {
        for (comparison, value) in [(SteeringProfile.Gate.Comparison.above, above), (.below, below)] {
            guard let value else { continue }
            guard abs(value) <= 1e6 else {
                throw TillerError.invalidOption(
                    "--\(comparison.rawValue) is \(value), expected a number within ±1e6")
            }
            return (comparison, value)
        }
        let (engine, _) = try engineOptions.load(file)
        let bar = ProgressBar(label: "read \((when ?? "").printableLine)", total: 1)
        let found = try blaming(pairs ?? file) {
            try GateThreshold.measure(
                rows ?? [], engine: engine, layer: layer, direction: direction,
                rms: profile.residualRMS[layer]
            ) { bar.update($0, total: $1) }
        }
        bar.finish()
        printLine(
            "positive sides at \(formatted(found.positiveMean, digits: 3)), negative at "
                + "\(formatted(found.negativeMean, digits: 3)); "
                + "\(formatted(found.accuracy * 100, digits: 0)) % are classified correctly")
        return (found.comparison, found.threshold)
    }
}
