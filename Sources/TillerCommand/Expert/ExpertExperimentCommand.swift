// SPDX-License-Identifier: Apache-2.0
// tiller expert experiment: is it the expert's knowledge that helps? One task with all arms; tools/experiments runs many.

import ArgumentParser
import Evaluation
import ExpertSteer
import Formats
import JSON
import LinearAlgebra
import Runtime
import Steering
import Tiller

struct ExpertExperimentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "experiment",
        abstract: "Test on one task whether it is the expert's knowledge that helps.",
        discussion: """
            Directions are fitted on --pairs, layers and pairing of each method chosen on --validation, and every arm is run \
            once on --test, all at the same damage: the target's own methods, the expert by every alignment, a bias on the \
            logits of single words, random directions, shuffled labels, rotated auto-encoders and, with --wrong, another \
            concept's direction. Four hypotheses are tested with Holm's adjustment. Prints JSON; no model is changed.
            """)

    @Argument(help: "The target, a .tiller file.")
    var file: String

    @OptionGroup(title: "Expert and data") var shared: SharedReadingOptions

    @Option(help: ArgumentHelp("Pairs to choose by, JSON lines as --pairs.", valueName: "path"))
    var validation: String

    @Option(help: ArgumentHelp("Items of the test; 'group' says which belong together.", valueName: "path"))
    var test: String

    @Option(help: ArgumentHelp("Pairs of another concept.", valueName: "path"))
    var wrong: String?

    @Option(
        parsing: .unconditional, help: ArgumentHelp("A system message to compare with.", valueName: "text"))
    var system: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("KL on neutral text, in nats by token.", valueName: "nats"))
    var damage = ExperimentOptions().damage

    @Option(parsing: .unconditional, help: "Random directions.")
    var random = ExperimentOptions().randomCount

    @Option(parsing: .unconditional, help: "Shuffled labels and rotations, each.")
    var controls = ExperimentOptions().controlCount

    @Option(parsing: .upToNextOption, help: "Pairings to choose from: matched-depth, low, high, random.")
    var pairings = ExperimentOptions().pairings

    @Option(
        parsing: .upToNextOption,
        help: "Ranges of layers to choose from: 0 early, 1 middle, 2 upper half, 3 late, 4 nearly all.")
    var depths = ExperimentOptions().depths

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Alignments to run, some of \(ExpertAlignment.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "name"))
    var alignments = ExpertAlignment.allCases

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Files with the target's weights in other types: what survives there of the best arms.",
            valueName: "path"))
    var weights: [String] = []

    @Option(parsing: .unconditional, help: "Choose by at most so many pairs, spread evenly over the file.")
    var maxValidation = 48

    @Option(parsing: .unconditional, help: "Test on at most so many items, spread evenly over the file.")
    var maxTest = 200

    @Option(
        help: ArgumentHelp("A folder for the profiles of all arms but the controls.", valueName: "dir"))
    var profiles: String?

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        try require(random, in: 0...1000, option: "--random")
        try require(controls, in: 0...1000, option: "--controls")
        try require(maxValidation, in: 2...1 << 20, option: "--max-validation")
        try require(maxTest, in: 2...1 << 20, option: "--max-test")
        try require(damage, in: 0.001...1, option: "--damage")
        guard !pairings.contains(.all), !pairings.isEmpty, depths.allSatisfy({ (0...4).contains($0) }) else {
            throw TillerError.invalidOption(
                "expected pairings of matched-depth, low, high and random, and depths in 0...4")
        }
        var options = ExperimentOptions()
        (options.damage, options.randomCount, options.controlCount) = (damage, random, controls)
        (options.pairings, options.depths, options.seed) = (pairings, depths, shared.seed)
        (options.system, options.alignments) = (system, alignments)
        let choosing = try readPairs(path: validation).pairs.spread(maxValidation)
        let items = try readEvaluationItems(path: test).items.spread(maxTest)
        let other = try wrong.map { try readPairs(path: $0).pairs } ?? []
        let training = try shared.reading.pairs.map { try readPairs(path: $0).pairs } ?? []
        var inputs = shared.inputs + weights.map { InputFile("--weights", $0) }
        inputs += [InputFile("the model", file), InputFile("--validation", validation)]
        inputs += [InputFile("--test", test), InputFile("--wrong", wrong)]
        let folder = try profiles.map { try ReportFolder($0, apartFrom: inputs) }
        try LinearAlgebra.load()
        let (target, _) = try engineOptions.load(file)
        let progress = ExpertProgressBars()
        let reading = try shared.read(target: target, engineOptions: engineOptions, progress: progress)
        let gap = try shared.gap(reading, target: target, progress: progress)
        let experiment = try blaming(test) {
            try ExpertExperiment(
                engine: target, options: options, reading: reading, validation: choosing, test: items,
                progress: progress.show)
        }
        var result =
            try experiment.run(
                training: training.spread(shared.maxPairs), wrong: other,
                otherWeights: weights.map { path in (path.fileName, { try engineOptions.load(path).engine }) }
            ) { name, profile in
                guard let folder else { return }
                var named = profile
                named.name = name
                try TillerProfileFile.write(
                    named, to: folder.place(for: "\(name).tillerprofile"), replaceExisting: true)
            }.objectValue ?? [:]
        progress.finish()
        result["gap"] = .object(gap.json.objectValue ?? [:])
        printLine(JSON.object(result).serialized())
    }
}
