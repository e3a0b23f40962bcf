// SPDX-License-Identifier: Apache-2.0
// tiller expert gap: whether the expert has anything to teach.

import ArgumentParser
import Commands
import ExpertSteer
import Formats
import JSON
import LinearAlgebra
import Platform
import Terminal
import Tiller

struct ExpertGapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gap", abstract: "Compare how well two models represent a concept, layer by layer.",
        discussion: """
            A probe of each layer is fitted to two thirds of the pairs and tested on the others; its area under the ROC \
            curve (AUC) is 0.5 at chance and 1 if perfect. Intervals are 95 % over pairs. For the verdict, each model's \
            layer is chosen on other pairs than those that it is tested on.
            """)

    @Argument(help: "The target, a .tiller file.") var file: String

    @OptionGroup(title: "Expert and data") var shared: SharedReadingOptions

    @Flag(help: "Print one JSON object.") var json = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        try LinearAlgebra.load()
        let (target, _) = try engineOptions.load(file)
        let progress = ExpertProgressBars()
        let reading = try shared.read(target: target, engineOptions: engineOptions, progress: progress)
        let gap = try shared.gap(reading, target: target, progress: progress)
        progress.finish()
        guard json else {
            printLine(gapTable(gap, reading.states))
            return
        }
        var object = gap.json.objectValue ?? [:]
        object["pairs"] = .integer(reading.states.pairCount)
        object["explanation"] = .string(gap.verdict.explanation)
        printLine(JSON.object(object).serialized())
    }
}

/// An expert, and the texts that it and the target read.
struct SharedReadingOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "A .tiller file, or captured states of any model: all shards, in any order.",
            valueName: "path"))
    var expert: [String] = []

    @OptionGroup var reading: ReadingOptions

    @Option(
        help: ArgumentHelp(
            "Tokens whose state is taken: last, mean, or after:MARKER (the first); by default as in the captured "
                + "states, otherwise mean.", valueName: "rule"))
    var position: PositionRule?

    @Option(
        parsing: .unconditional,
        help: "Use at most this many pairs, spread evenly over the file.")
    var maxPairs = ExpertOptions(name: "").maximumPairCount

    @Option(parsing: .unconditional, help: "Use at most this many unlabelled texts.")
    var maxTexts = ExpertOptions(name: "").maximumTextCount

    @Option(parsing: .unconditional, help: "The same seed, data and models give the same profile.")
    var seed: UInt64 = 0

    func validate() throws {
        guard !expert.isEmpty else { throw ValidationError("--expert is missing") }
        guard reading.pairs != nil else { throw ValidationError("--pairs is missing") }
        guard maxPairs >= SharedStates.leastPairCount else {
            throw ValidationError(
                "--max-pairs is \(maxPairs), expected at least \(SharedStates.leastPairCount)")
        }
        guard maxTexts >= 0 else { throw ValidationError("--max-texts is \(maxTexts), expected 0 or more") }
    }

    /// The input files.
    var inputs: [InputFile] {
        expert.map { InputFile("--expert", $0) }
            + [InputFile("--pairs", reading.pairs), InputFile("--texts", reading.texts)]
    }

    /// Reads the texts with both models.
    func read(
        target: Engine, engineOptions: EngineOptions, progress: ExpertProgressBars
    ) throws -> PairedCapture.Result {
        let list = try reading.list()
        let harvested = try isModel(expert[0]) ? nil : ActivationSet(paths: expert)
        if harvested == nil, expert.count > 1 {
            throw TillerError.invalidOption("--expert names \(expert.count) files, expected a single model")
        }
        let rule = position ?? harvested?.header.position ?? .mean
        let shared = PairedCapture(list: list, position: rule, progress: progress.show)
        return try blaming(reading.blamed) {
            try shared.read(target: target, maximumPairCount: maxPairs, maximumTextCount: maxTexts) {
                if let harvested { return .harvested(harvested) }
                return .model(try engineOptions.load(expert[0]).engine)
            }
        }
    }

    /// Measures how well both models read the concept.
    func gap(
        _ reading: PairedCapture.Result, target: Engine, progress: ExpertProgressBars
    ) throws -> ExpertiseGap {
        try ExpertiseGap.measure(
            reading.states, seed: seed, threadCount: target.threadCount, progress: progress.show)
    }

    /// Whether a file is not a safetensors file, whose header follows its length; the model reader reports other formats.
    private func isModel(_ path: String) throws -> Bool {
        let mapped = try MappedFile(path: path)
        return withExtendedLifetime(mapped) { mapped.bytes.dropFirst(8).first != UInt8(ascii: "{") }
    }
}

/// Consecutive progress bars, each with its time left.
final class ExpertProgressBars {
    private var current: (what: ExpertProgress, done: Int, bar: ProgressBar)?

    func show(_ what: ExpertProgress, done: Int, total: Int) throws {
        // The same step starts again with other items, at another speed.
        let isContinued = current.map { $0.what == what && $0.done <= done } ?? false
        if !isContinued {
            current?.bar.finish()
            current = (what, done, ProgressBar(label: Self.label(what), total: total))
        }
        current?.done = done
        current?.bar.update(done, total: total)
    }

    func finish() {
        current?.bar.finish()
        current = nil
    }

    private static func label(_ what: ExpertProgress) -> String {
        switch what {
        case .capturing(let model): "states of \(model)"
        case .reading: "expertise gap"
        case .comparing: "mutual information"
        case .fitting: "directions"
        case .choosing: "effects"
        }
    }
}
