// SPDX-License-Identifier: Apache-2.0
// tiller evaluate: measurements on text.

import ArgumentParser
import Commands
import Evaluation
import JSON
import Platform
import Terminal
import Tiller

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Measure a model, plain or steered, on text.",
        subcommands: [
            PerplexityCommand.self, DivergenceCommand.self, PairsCommand.self, ChoiceCommand.self,
            SteeringRetentionCommand.self, LogitsCommand.self,
        ])
}

struct PerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity", abstract: "Measure the perplexity of a text.",
        discussion:
            "As in llama-perplexity, the second half of each chunk of the context length is scored. "
            + SteeringOptions.scoring)

    @Argument(help: "The model: a .tiller file, a GGUF file or a model folder.") var file: String

    @Option(help: ArgumentHelp("The text, a UTF-8 file.", valueName: "path")) var text: String

    @OptionGroup var division: ChunkOptions

    @OptionGroup var common: EvaluationOptions

    func run() throws {
        let steer = try common.steering.parsed()
        try division.check()
        let content = try readText(path: text)
        let (engine, _) = try common.engineOptions.load(file)
        let bar = ProgressBar(label: "perplexity", total: division.chunks ?? 1)
        let result = try blaming(text) {
            try Perplexity.measure(
                content, engine: engine, steering: steer, contextLength: division.context,
                chunkLimit: division.chunks
            ) { done, total, _ in bar.update(done, total: total) }
        }
        bar.finish()
        if common.json {
            printLine(JSON.object(result.json).serialized())
        } else {
            printLine(
                "perplexity \(formatted(result.perplexity, digits: 4)) over \(result.tokenCount) tokens, mean "
                    + "\(formatted(result.mean, digits: 5)) ± \(formatted(result.meanError, digits: 5)) nats")
            printGates(result.hasOpenedGate)
        }
    }
}

struct PairsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pairs",
        abstract: "Measure log-odds of the positive over the negative sides of pairs.",
        discussion: """
            Each side is scored by its mean ln P per token. With --steer, the shift from the unsteered model is \
            reported with its 95 % bootstrap interval, and so is the share of pairs that moved the right way. \
            \(SteeringOptions.scoring)
            """)

    @Argument(help: "The model: a .tiller file, a GGUF file or a model folder.") var file: String

    @Option(
        help: ArgumentHelp("JSON lines with prompt (optional), positive and negative.", valueName: "path"))
    var items: String

    @OptionGroup var common: EvaluationOptions

    func run() throws {
        let steer = try common.steering.parsed()
        let pairs = try readPairs(path: items).pairs
        let (engine, _) = try common.engineOptions.load(file)
        let bar = ProgressBar(label: "pairs", total: pairs.count)
        let result = try blaming(items) {
            try PairEvaluation.measure(pairs, engine: engine, steering: steer) { done, _ in bar.update(done) }
        }
        bar.finish()
        let report = result.json
        if common.json {
            printLine(JSON.object(report).serialized())
            return
        }
        let interval = report["interval"]?.arrayValue?.compactMap(\.doubleValue) ?? []
        let range = interval.map { formatted($0, digits: 4) }.joined(separator: " … ")
        printLine(
            "mean log-odds  \(formatted(result.meanLogOdds, digits: 4)) nats per token, \(pairs.count) pairs")
        if steer.isEmpty {
            printLine("interval       \(range)")
        } else {
            printLine("shift          \(formatted(result.meanShift, digits: 4)), interval \(range)")
            printLine("right way      \(formatted(result.shareShifted * 100, digits: 1)) % of the pairs")
            printGates(result.hasOpenedGate)
        }
    }
}

struct LogitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits", abstract: "Write the logits of every position as raw float32.",
        usage: "tiller evaluate logits [<options>] <file> --tokens <path> --output <path>",
        discussion: """
            The input is a JSON file with token ids, [[id, …], …]; each list is evaluated from an empty context. The \
            output is [positions × vocabulary], little-endian, list after list, for comparison with other \
            implementations. \(SteeringOptions.scoring)
            """)

    @Argument(help: "The model: a .tiller file, a GGUF file or a model folder.") var file: String

    @Option(help: ArgumentHelp("JSON file with lists of token ids.", valueName: "path")) var tokens: String

    @Option(help: ArgumentHelp("The file to write.", valueName: "path")) var output: String

    @Flag(help: "Overwrite the output.") var force = false

    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        let steer = try steering.parsed()
        let lists = try readTokenLists()
        try requireOutput(
            output, force: force, apartFrom: InputFile("the model", file), InputFile("--tokens", tokens))
        let (engine, _) = try engineOptions.load(file)
        let plan = try engine.scoringPlan(steer)
        try plan.requireAction(within: lists.map(\.count).max() ?? 0)
        let writer = try AtomicFileWriter(path: output, replaceExisting: force)
        let bar = ProgressBar(label: "logits", total: lists.count)
        var hasOpenedGate: Bool?
        for (index, list) in lists.enumerated() {
            guard list.allSatisfy({ $0 >= 0 && Int($0) < engine.vocabularySize }) else {
                throw TillerError.invalidFile(
                    "\(tokens): list \(index) holds ids outside 0..<\(engine.vocabularySize)")
            }
            guard list.count <= 1 << 20 else {
                throw TillerError.invalidFile(
                    "\(tokens): list \(index) holds \(list.count) ids, expected at most \(1 << 20)")
            }
            let session = try engine.makeSession(contextLength: max(list.count, 1), forAllLogits: true)
            session.setPlan(plan)
            var failure: (any Error)?
            session.evaluateAllLogits(list) { _, logits in
                guard failure == nil else { return }
                do { try writer.write(UnsafeRawBufferPointer(logits)) } catch { failure = error }
            }
            if let failure { throw failure }
            hasOpenedGate = session.hasOpenedGate.map { $0 || hasOpenedGate == true }
            bar.update(index + 1)
        }
        bar.finish()
        try writer.commit()
        printGates(hasOpenedGate)
    }

    private func readTokenLists() throws -> [[Int32]] {
        let bytes = try readInput(path: tokens, limit: TextLimit.rows)
        let parsed: JSON
        do { parsed = try JSON.parse(bytes) } catch { throw TillerError.invalidFile("\(tokens): \(error)") }
        let lists = parsed.arrayValue?.map {
            $0.arrayValue?.compactMap(\.intValue).compactMap { Int32(exactly: $0) }
        }
        guard let lists, let flat = lists as? [[Int32]], !flat.isEmpty, flat.allSatisfy({ !$0.isEmpty })
        else {
            throw TillerError.invalidFile(
                "\(tokens): expected lists of token ids as in [[1, 2, 3], [4, 5]]")
        }
        return flat
    }
}
