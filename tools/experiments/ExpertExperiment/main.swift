// SPDX-License-Identifier: Apache-2.0
// Is it the expert's knowledge that helps? One task with all arms; tools/experiments/expert-steer runs many.

import ArgumentParser
import Evaluation
import ExpertSteer
import Formats
import JSON
import LinearAlgebra
import Platform
import Commands
import Steering
import Terminal
import Tiller

struct ExperimentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ExpertExperiment",
        abstract: "Test on one task whether it is the expert's knowledge that helps.",
        discussion: """
            Directions are fitted on --pairs, layers and pairing of each method chosen on --validation, and every arm is run \
            once on --test, all at the same damage: the target's own methods, the expert by every alignment, a bias on the \
            logits of single words, random directions, shuffled labels, rotated auto-encoders and, with --wrong, another \
            concept's direction. Four hypotheses are tested with Holm's adjustment. Prints JSON; no model is changed.
            """)

    @Argument(help: "The target, a .tiller file.") var file: String
    @Option(help: "The expert, a .tiller file.") var expert: String
    @Option(help: "JSON lines with prompt (optional), positive and negative.") var pairs: String
    @Option(help: "Unlabelled texts that both models read.") var texts: String?
    @Option(help: "Pairs to choose by, JSON lines as --pairs.") var validation: String
    @Option(help: "Items of the test; 'group' says which belong together.") var test: String
    @Option(help: "Pairs of another concept.") var wrong: String?
    @Option(help: "A system message to compare with.") var system: String?
    @Option(help: "KL on neutral text, in nats per token.") var damage = ExperimentOptions().damage
    @Option(help: "Random directions.") var random = ExperimentOptions().randomCount
    @Option(help: "Shuffled labels and rotations, each.") var controls = ExperimentOptions().controlCount
    @Option(parsing: .upToNextOption, help: "Pairings to choose from: matched-depth, low, high, random.")
    var pairings = ExperimentOptions().pairings
    @Option(
        parsing: .upToNextOption,
        help: "Ranges of layers to choose from: 0 early, 1 middle, 2 upper half, 3 late, 4 nearly all.")
    var depths = ExperimentOptions().depths
    @Option(parsing: .upToNextOption, help: "Alignments to run.") var alignments = ExpertAlignment.allCases
    @Option(
        parsing: .upToNextOption,
        help: "Files with the target's weights in other types: what survives there of the best arms.")
    var weights: [String] = []
    @Option(help: "Train on at most so many pairs, spread evenly over the file.")
    var maxPairs = ExpertOptions(name: "").maximumPairCount
    @Option(help: "Choose by at most so many pairs, spread evenly over the file.") var maxValidation = 48
    @Option(help: "Test on at most so many items, spread evenly over the file.") var maxTest = 200
    @Option(help: "An existing folder for the profiles of all arms but the controls.") var profiles: String?
    @Option(help: "Same seed, data and models: the same figures.") var seed: UInt64 = 0
    @Option(help: "Threads.") var threads: Int?

    func validate() throws {
        guard (0...1000).contains(random), (0...1000).contains(controls), maxValidation > 1, maxTest > 1,
            maxPairs >= SharedStates.leastPairCount, (0.001...1).contains(damage)
        else { throw ValidationError("a number is out of its range") }
        guard !pairings.contains(.all), !pairings.isEmpty, depths.allSatisfy({ (0...4).contains($0) }) else {
            throw ValidationError(
                "expected pairings of matched-depth, low, high and random, and depths in 0...4")
        }
    }

    func run() throws {
        var options = ExperimentOptions()
        (options.damage, options.randomCount, options.controlCount) = (damage, random, controls)
        (options.pairings, options.depths, options.seed) = (pairings, depths, seed)
        (options.system, options.alignments) = (system, alignments)
        let training = try readPairs(pairs)
        let choosing = try readPairs(validation).spread(maxValidation)
        let items = try EvaluationItem.read(readFile(path: test, limit: TextLimit.rows), fileName: test)
        let other = try wrong.map(readPairs) ?? []
        let plain = try texts.map { path in
            try PlainTexts.read(readFile(path: path, limit: TextLimit.text), fileName: path)
        }
        try LinearAlgebra.load()
        var settings = EngineSettings()
        settings.threads = threads
        let target = try settings.load(file).engine
        let progress = Progress()
        let reading = try PairedCapture(
            list: Corpus(pairs: training, texts: plain ?? []), position: .mean, progress: progress.show
        ).read(
            target: target, maximumPairCount: maxPairs,
            maximumTextCount: ExpertOptions(name: "").maximumTextCount
        ) { .model(try settings.load(expert).engine) }
        let gap = try ExpertiseGap.measure(
            reading.states, seed: seed, threadCount: target.threadCount, progress: progress.show)
        let experiment = try ExpertExperiment(
            engine: target, options: options, reading: reading, validation: choosing,
            test: items.spread(maxTest), progress: progress.show)
        let others = weights.map { path in
            (
                name: path.split(separator: "/").last.map(String.init) ?? path,
                load: { try settings.load(path).engine }
            )
        }
        let result = try experiment.run(
            training: training.spread(maxPairs), wrong: other, otherWeights: others
        ) { name, profile in
            guard let profiles else { return }
            var named = profile
            named.name = name
            try TillerProfileFile.write(
                named, to: "\(profiles)/\(name).tillerprofile", replaceExisting: true)
        }
        progress.finish()
        var object = result.objectValue ?? [:]
        object["gap"] = .object(gap.json.objectValue ?? [:])
        printLine(JSON.object(object).serialized())
    }

    private func readPairs(_ path: String) throws -> [ContrastivePair] {
        try ContrastivePair.read(readFile(path: path, limit: TextLimit.rows), fileName: path)
    }
}

/// One bar for each kind of work.
private final class Progress {
    private var current: (what: ExpertProgress, bar: ProgressBar)?

    func show(_ what: ExpertProgress, done: Int, total: Int) {
        if current?.what != what {
            finish()
            current = (what, ProgressBar(label: "\(what)", total: total))
        }
        current?.bar.update(done, total: total)
    }

    func finish() {
        current?.bar.finish()
        current = nil
    }
}

extension PairingPolicy: ExpressibleByArgument {}
extension ExpertAlignment: ExpressibleByArgument {}

ExperimentCommand.main()
