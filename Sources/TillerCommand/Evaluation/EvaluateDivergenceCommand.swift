// SPDX-License-Identifier: Apache-2.0
// tiller evaluate divergence: what quantization, or steering, changes of what a model says.

import ArgumentParser
import Evaluation
import JSON
import Commands
import Terminal
import Tiller

struct DivergenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "divergence",
        abstract: "How far the model's distributions are from those of a reference.",
        usage: "tiller evaluate divergence <file> --reference <path> --text <path> ...",
        discussion: """
            The reference is the same model in better weights, as 'convert --weights f32' or f16 makes it. Texts are \
            scored as llama-perplexity --kl-divergence does: chunks of the context's length, the second half of each; \
            KL(reference ‖ model) is in nats by token. --steer steers the model and not its reference: a model against \
            itself shows what steering changes. \(SteeringOptions.scoring)
            """)

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(help: ArgumentHelp("The reference, a .tiller file of the same model.", valueName: "path"))
    var reference: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts, UTF-8 files.", valueName: "path"))
    var text: [String]

    @OptionGroup var division: ChunkOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        let steer = try steering.parsed()
        try division.check()
        let contents = try text.map { try readText(path: $0) }
        let (model, _) = try engineOptions.load(file)
        let (other, _) = try engineOptions.load(reference)
        let meter = try blaming(reference) {
            try DivergenceMeter(
                engine: model, reference: other, steering: steer, contextLength: division.context)
        }
        var parts: [Divergence] = []
        for (path, content) in zip(text, contents) {
            let bar = ProgressBar(label: path.fileName.printableLine, total: division.chunks ?? 1)
            parts.append(
                try blaming(path) {
                    try meter.measure(content, chunkLimit: division.chunks) { bar.update($0, total: $1) }
                })
            bar.finish()
        }
        report(parts, together: Divergence(joining: parts), hasOpenedGate: meter.hasOpenedGate)
    }

    private func report(_ parts: [Divergence], together: Divergence, hasOpenedGate: Bool?) {
        guard !json else {
            var object = together.json
            object["gates_opened"] = hasOpenedGate.map { .bool($0) }
            object["texts"] = .array(
                zip(text, parts).map { path, part in
                    var object = part.json
                    object["text"] = .string(path)
                    return .object(object)
                })
            printLine(JSON.object(object).serialized())
            return
        }
        if parts.count > 1 {
            for (path, part) in zip(text, parts) {
                printLine("\(path.printableLine):")
                printLines(part)
            }
            printLine("together:")
        }
        printLines(together)
        printGates(hasOpenedGate)
    }

    private func printLines(_ result: Divergence) {
        func percent(_ share: Double, _ digits: Int = 1) -> String { formatted(share * 100, digits: digits) }
        let interval = result.sameTopInterval
        let quantiles = [0.9, 0.99].map { "\(percent($0, 0)) % \(formatted(result.quantile($0), digits: 5))" }
        printLine(
            "KL           \(formatted(result.mean, digits: 5)) ± \(formatted(result.meanError, digits: 5)) nats by "
                + "token, \(result.tokenCount) tokens; median \(formatted(result.median, digits: 5)), "
                + quantiles.joined(separator: ", ") + ", largest \(formatted(result.largest, digits: 5))")
        printLine(
            "same top     \(percent(result.sameTop)) %, interval \(percent(interval.lowerBound)) … "
                + percent(interval.upperBound))
        printLine("RMS Δp       \(percent(result.probabilityDifference, 2)) % for the text's own tokens")
        printLine(
            "perplexity   \(formatted(result.perplexity, digits: 4)), reference "
                + "\(formatted(result.referencePerplexity, digits: 4)); Δ ln "
                + "\(formatted(result.lossRise, digits: 5)) ± \(formatted(result.lossRiseError, digits: 5))")
    }
}

extension String {
    /// What stands behind the last slash of a path.
    var fileName: String { split(separator: "/").last.map(String.init) ?? self }
}
