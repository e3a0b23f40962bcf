// SPDX-License-Identifier: Apache-2.0
// tiller evaluate choice: multiple-choice questions.

import ArgumentParser
import Commands
import Evaluation
import JSON
import Platform
import Terminal
import Tiller

struct ChoiceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "choice",
        abstract: "Measure accuracy on multiple-choice questions.",
        usage: "tiller evaluate choice <file> --items <path> ...",
        discussion: """
            Items are JSON lines {"question": …, "choices": […], "answer": index}. Each choice is scored by its ln P \
            after the question, as plain text, by the protocol of lm-evaluation-harness. 'accuracy' compares ln P per \
            character (acc_norm there), since ln P itself (acc; here 'accuracy_raw') favours short choices. With --steer \
            the unsteered model answers too, and the difference is reported with its interval. \
            \(SteeringOptions.scoring)
            """)

    @Argument(help: "The model: a .tiller file, a GGUF file or a model folder.") var file: String

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("JSON lines with question, choices and answer.", valueName: "path"))
    var items: [String]

    @Option(parsing: .unconditional, help: ArgumentHelp("Take the first n items of a file.", valueName: "n"))
    var limit: Int?

    @OptionGroup var common: EvaluationOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is \(limit), expected at least 1") }
    }

    func run() throws {
        let steer = try common.steering.parsed()
        let sets = try items.map { path in Array(try readItems(path: path).prefix(limit ?? Int.max)) }
        let (engine, _) = try common.engineOptions.load(file)
        var parts: [ChoiceEvaluation] = []
        for (path, set) in zip(items, sets) {
            let bar = ProgressBar(label: path.fileName.printableLine, total: set.count)
            parts.append(
                try blaming(path) {
                    try ChoiceEvaluation.measure(set, engine: engine, steering: steer) { done, _ in
                        bar.update(done)
                    }
                })
            bar.finish()
        }
        let together = ChoiceEvaluation(joining: parts)
        common.report(
            zip(items, parts), together, as: ("sets", "set"), object: together.json, json: \.json,
            printLines: printLines)
    }

    private func printLines(_ result: ChoiceEvaluation) {
        func range(_ interval: ClosedRange<Double>) -> String {
            [interval.lowerBound, interval.upperBound].map { formatted($0 * 100, digits: 1) }
                .joined(separator: " … ")
        }
        printLine(
            "accuracy     \(formatted(result.accuracy * 100, digits: 1)) %, interval \(range(result.interval)), "
                + "\(result.itemCount) items; without length normalization "
                + "\(formatted(result.accuracyRaw * 100, digits: 1)) %")
        if result.steered != nil {
            printLine(
                "plain        \(formatted(result.plainAccuracy * 100, digits: 1)) %; difference "
                    + "\(formatted(result.difference * 100, digits: 1)), interval \(range(result.differenceInterval))"
            )
        }
        printGates(result.hasOpenedGate)
    }
}
