// SPDX-License-Identifier: Apache-2.0
// tiller expert compare: an expert compared with the target's own methods, and with chance.

import ArgumentParser
import Commands
import ExpertSteer
import JSON
import LinearAlgebra
import Platform
import Tiller

struct ExpertCompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare", abstract: "Compare all methods of making a profile.",
        discussion: """
            The methods are the target's own mean difference, PCA, probe and RFM, the expert with every alignment, each \
            fitted map after a random rotation as its control, and random directions: on the same layers, from the same \
            pairs, at the same mean KL on neutral text. The effect is the change of the log-odds of the validation pairs, \
            in nats per token. No file is changed.
            """)

    @Argument(help: "The target, a .tiller file.") var file: String

    @OptionGroup(title: "Expert and data") var shared: SharedReadingOptions

    @Option(help: ArgumentHelp("Pairs to measure on, JSON lines as --pairs.", valueName: "path"))
    var validation: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Mean KL on neutral text, equal for all, in nats per token.", valueName: "nats"))
    var damage = 0.05

    @Option(parsing: .unconditional, help: "Measure on at most this many pairs, spread evenly over the file.")
    var maxValidation = 64

    @Option(parsing: .unconditional, help: "Random directions to compare with.") var random = 5

    @OptionGroup var method: ExpertMethodOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Steered layers, as in 10-18; 40 to 80 % of the depth by default.", valueName: "layers"))
    var layers: String?

    @Flag(help: "Print one JSON object.") var json = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        try require(damage, in: 0.001...1, option: "--damage")
        try require(maxValidation, in: 2...1 << 20, option: "--max-validation")
        try require(random, in: 0...1000, option: "--random")
        let options = try method.options(name: "comparison", layers: layers, shared)
        let items = try readPairs(path: validation).pairs.spread(maxValidation)
        try LinearAlgebra.load()
        let (target, _) = try engineOptions.load(file)
        try ExpertTrainer.check(options, layerCount: target.model.configuration.layerCount)
        let progress = ExpertProgressBars()
        let reading = try shared.read(target: target, engineOptions: engineOptions, progress: progress)
        let comparison = try blaming(validation) {
            try ExpertComparison(
                engine: target, options: options, reading: reading, validation: items, damage: damage,
                progress: progress.show)
        }
        let arms = try comparison.arms(randomCount: random)
        progress.finish()
        guard !json else {
            let report: JSON = [
                "damage": .number(damage), "pairs": .integer(reading.states.pairCount),
                "validation_pairs": .integer(items.count), "arms": .array(arms.map(\.json)),
            ]
            printLine(report.serialized())
            return
        }
        printLine(
            "effect on \(items.count) validation pairs at a KL of \(damage) on neutral text, learned from "
                + "\(reading.states.pairCount) pairs")
        let width = arms.map(\.name.count).max() ?? 0
        printLine(
            "\("".padded(to: width))  strength   effect  95 % interval       cosine with own mean difference")
        for arm in arms {
            let ends = [arm.interval.lowerBound, arm.interval.upperBound].map { formatted($0, digits: 4) }
            printLine(
                arm.name.padded(to: width) + "  " + formatted(Double(arm.strength), digits: 3).padded(to: 9)
                    + formatted(arm.effect, digits: 4).padded(to: 9)
                    + "[\(ends.joined(separator: ", "))]".padded(to: 20)
                    + (arm.cosine.map { formatted($0, digits: 3) } ?? ""))
        }
    }
}
