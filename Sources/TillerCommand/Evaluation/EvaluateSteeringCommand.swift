// SPDX-License-Identifier: Apache-2.0
// tiller evaluate steering: how well a profile survives quantization.

import ArgumentParser
import Commands
import Evaluation
import JSON
import Terminal
import Tiller
import Training

struct SteeringRetentionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "steering",
        abstract: "Compare what a profile does to a model and to its reference.",
        usage: "tiller evaluate steering <file> --reference <path> --profile <name>",
        discussion: """
            The reference is the same model with more precise weights, made by 'convert --weights f32' or f16. The \
            same profile steers both, the reference's if it has one of that name. For each layer the unsteered states \
            over a text are compared, and what steering adds to them (mean cosine over positions). With pairs, the \
            directions that both learn from them are compared too, and the shift of their log-odds; the retention is \
            the share of this shift that is left.
            """)

    @Argument(help: "The model: a .tiller file, a GGUF file or a model folder.") var file: String

    @Option(help: ArgumentHelp("The reference, likewise, of the same model.", valueName: "path"))
    var reference: String

    @Option(
        help: ArgumentHelp(
            "The profile, at its recommended strength by default.", valueName: "name[=strength]"))
    var profile: String

    @Option(
        help: ArgumentHelp("JSON lines with prompt (optional), positive and negative.", valueName: "path"))
    var pairs: String?

    @Option(
        help: ArgumentHelp(
            "A UTF-8 text whose beginning is compared; built-in neutral passages by default.",
            valueName: "path"))
    var text: String?

    @Flag(help: "Print one JSON object.") var json = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        let steer = try AppliedProfile(parsing: profile)
        let rows = try pairs.map { try readPairs(path: $0).pairs } ?? []
        let content = try text.map { try readText(path: $0) }
        let (model, _) = try engineOptions.load(file)
        let (other, _) = try engineOptions.load(reference)
        let meter = try blaming(reference) {
            try RetentionMeter(engine: model, reference: other, steer: steer)
        }
        var bars: [String: ProgressBar] = [:]
        func show(_ label: String, _ done: Int, _ total: Int) {
            // Made when its part begins, since a progress bar measures time from its creation.
            let bar = bars[label] ?? ProgressBar(label: label, total: total)
            bars[label] = bar
            bar.update(done, total: total)
            if done == total { bar.finish() }
        }
        func show(_ event: RetentionProgress) {
            switch event {
            case .states(let done, let total): show("states", done, total)
            case .directions(let done, let total): show("directions", done, total)
            case .effect(let done, let total): show("effect", done, total)
            }
        }
        let states = try blaming(text ?? file) { try meter.compareStates(over: content, progress: show) }
        let result = try blaming(pairs ?? file) {
            try meter.measure(on: rows, states: states, progress: show)
        }
        if json {
            printLine(JSON.object(result.json).serialized())
        } else {
            report(result)
        }
    }

    private func report(_ result: SteeringRetention) {
        printCosines("states", result.states.states.enumerated().map { ($0, $1) })
        printCosines(
            "steering adds",
            result.states.displacements.enumerated().compactMap { layer, cosine in
                cosine.map { (layer, $0) }
            })
        guard let effect = result.effect else { return }
        printCosines("directions", result.directions.map { ($0.layer, $0.cosine) })
        let shifts =
            "shift \(formatted(effect.meanShift, digits: 4)), reference "
            + "\(formatted(effect.meanReferenceShift, digits: 4)) nats per token, \(effect.shifts.count) pairs"
        guard let ratio = effect.ratio, let interval = effect.interval else {
            printLine("retention      unknown: the reference's shift is not significant; \(shifts)")
            return
        }
        let range = [interval.lowerBound, interval.upperBound].map { formatted($0 * 100, digits: 1) }
        printLine(
            "retention      \(formatted(ratio * 100, digits: 1)) %, interval \(range.joined(separator: " … ")); \(shifts)"
        )
    }

    /// Prints a line with the mean and the smallest cosine.
    private func printCosines(_ label: String, _ cosines: [(layer: Int, cosine: Double)]) {
        guard let least = cosines.min(by: { $0.cosine < $1.cosine }) else { return }
        let mean = RunningMean(cosines.map(\.cosine)).mean
        printLine(
            label.padded(to: 15) + "cosine \(formatted(mean, digits: 5)) over \(cosines.count) layers, least "
                + "\(formatted(least.cosine, digits: 5)) after layer \(least.layer)")
    }
}
