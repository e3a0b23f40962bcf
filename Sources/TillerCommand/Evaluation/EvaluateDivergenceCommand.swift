// SPDX-License-Identifier: Apache-2.0
// tiller evaluate divergence: the effect of quantization, or of steering, on a model's distributions.

import ArgumentParser
import Commands
import Evaluation
import JSON
import Platform
import Terminal
import Tiller

struct DivergenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "divergence",
        abstract: "Measure the KL divergence of a model from a reference.",
        usage: "tiller evaluate divergence <file> --reference <path> --text <path> ...",
        discussion: """
            The reference is the same model with more precise weights, made by 'convert --weights f32' or f16. Texts \
            are scored as by llama-perplexity --kl-divergence, in the second half of each chunk of the context length; \
            KL(reference ‖ model) is in nats per token. --steer steers the model but not its reference: a model compared \
            with itself shows what steering changes. \(SteeringOptions.scoring)
            """)

    @Argument(help: "The model: a .tiller file, a GGUF file or a model folder.") var file: String

    @Option(help: ArgumentHelp("The reference, likewise, of the same model.", valueName: "path"))
    var reference: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts, UTF-8 files.", valueName: "path"))
    var text: [String]

    @OptionGroup var division: ChunkOptions

    @OptionGroup var common: EvaluationOptions

    func run() throws {
        let steer = try common.steering.parsed()
        try division.check()
        let contents = try text.map { try readText(path: $0) }
        let (model, _) = try common.engineOptions.load(file)
        let (other, _) = try common.engineOptions.load(reference)
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
        let together = Divergence(joining: parts)
        var object = together.json
        object["gates_opened"] = meter.hasOpenedGate.map { .bool($0) }
        common.report(
            zip(text, parts), together, as: ("texts", "text"), object: object, json: \.json,
            printLines: printLines)
        if !common.json { printGates(meter.hasOpenedGate) }
    }

    private func printLines(_ result: Divergence) {
        func percent(_ share: Double, _ digits: Int = 1) -> String { formatted(share * 100, digits: digits) }
        let interval = result.sameTopInterval
        let quantiles = [0.9, 0.99].map { "\(percent($0, 0)) % \(formatted(result.quantile($0), digits: 5))" }
        printLine(
            "KL           \(formatted(result.mean, digits: 5)) ± \(formatted(result.meanError, digits: 5)) nats per "
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
