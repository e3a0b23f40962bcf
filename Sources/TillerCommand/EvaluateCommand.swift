// SPDX-License-Identifier: Apache-2.0
// tiller evaluate: measurements on text.

import ArgumentParser
import Evaluation
import JSON
import Platform
import Terminal
import Tiller

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Measure a model, plain or steered, on text.",
        subcommands: [PerplexityCommand.self, PairsCommand.self, LogitsCommand.self])
}

struct PerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity", abstract: "How well the model predicts a text.",
        discussion:
            "As llama-perplexity does: chunks of the context's length, the second half of each is scored.")

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(help: "The text, a UTF-8 file.")
    var text: String

    @Option(help: "Tokens of a chunk.")
    var context = 512

    @Option(help: "Chunks to score; all unless given.")
    var chunks: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var steering: SteeringOptions
    @OptionGroup var engineOptions: EngineOptions

    func validate() throws {
        if let chunks, chunks < 1 { throw ValidationError("--chunks is \(chunks), expected at least 1") }
    }

    func run() throws {
        let steer = try steering.parsed()
        let (engine, _) = try engineOptions.load(file)
        let content = String(decoding: try readFile(path: text, limit: 1 << 30), as: UTF8.self)
        let bar = ProgressBar(label: "perplexity", total: chunks ?? 1)
        let result = try Perplexity.measure(
            content, engine: engine, steering: steer, contextLength: context, chunkLimit: chunks
        ) { done, total, _ in bar.update(done, total: total) }
        bar.finish()
        if json {
            print(JSON.object(result.json).serialized())
        } else {
            print(
                "perplexity \(formatted(result.perplexity, digits: 4)) over \(result.tokenCount) tokens, mean "
                    + "\(formatted(result.mean, digits: 5)) ± \(formatted(result.meanError, digits: 5)) nats")
        }
    }
}

struct PairsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pairs",
        abstract: "Log-odds of the positive over the negative side of contrastive pairs.",
        discussion: """
            Each side counts by its mean ln P over tokens. With --steer, the shift against the plain model is \
            reported with its 95 % bootstrap interval, and the share of pairs that moved the right way.
            """)

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(help: "JSON lines with prompt (optional), positive and negative.")
    var items: String

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var steering: SteeringOptions
    @OptionGroup var engineOptions: EngineOptions

    func run() throws {
        let steer = try steering.parsed()
        let pairs = try ContrastivePair.read(readFile(path: items, limit: 1 << 30), fileName: items)
        let (engine, _) = try engineOptions.load(file)
        let bar = ProgressBar(label: "pairs", total: pairs.count)
        let result = try PairEvaluation.measure(pairs, engine: engine, steering: steer) { done, _ in
            bar.update(done)
        }
        bar.finish()
        let report = result.json
        if json {
            print(JSON.object(report).serialized())
            return
        }
        let interval = report["interval"]?.arrayValue?.compactMap(\.doubleValue) ?? []
        let range = interval.map { formatted($0, digits: 4) }.joined(separator: " … ")
        print(
            "mean log-odds  \(formatted(result.meanLogOdds, digits: 4)) nats by token, \(pairs.count) pairs")
        if steer.isEmpty {
            print("interval       \(range)")
        } else {
            print("shift          \(formatted(result.meanShift, digits: 4)), interval \(range)")
            print("right way      \(formatted(result.shareShifted * 100, digits: 1)) % of the pairs")
        }
    }
}

struct LogitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits", abstract: "Write the logits of every position as raw float32.",
        discussion: """
            Reads a JSON file with token ids, [[id, …], …]; each list is evaluated from an empty context. The \
            output is [positions × vocabulary], little-endian, list after list: what a comparison with another \
            implementation needs.
            """)

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(help: "JSON file with lists of token ids.")
    var tokens: String

    @Option(help: "The file to write.")
    var output: String

    @Flag(help: "Overwrite the output.")
    var force = false

    @OptionGroup var steering: SteeringOptions
    @OptionGroup var engineOptions: EngineOptions

    func run() throws {
        let steer = try steering.parsed()
        let lists = try readTokenLists()
        let (engine, _) = try engineOptions.load(file)
        let writer = try AtomicFileWriter(path: output, replaceExisting: force)
        let bar = ProgressBar(label: "logits", total: lists.count)
        for (index, list) in lists.enumerated() {
            guard list.allSatisfy({ $0 >= 0 && Int($0) < engine.vocabularySize }) else {
                throw TillerError.invalidOption(
                    "list \(index) holds ids outside 0..<\(engine.vocabularySize)")
            }
            let session = try engine.makeSession(contextLength: max(list.count, 1))
            try session.steer(steer)
            var failure: (any Error)?
            session.evaluateAllLogits(list) { _, logits in
                guard failure == nil else { return }
                do { try writer.write(UnsafeRawBufferPointer(logits)) } catch { failure = error }
            }
            if let failure { throw failure }
            bar.update(index + 1)
        }
        bar.finish()
        try writer.commit()
    }

    private func readTokenLists() throws -> [[Int32]] {
        let parsed = try JSON.parse(readFile(path: tokens, limit: 1 << 28))
        let lists = parsed.arrayValue?.map {
            $0.arrayValue?.compactMap(\.intValue).compactMap { Int32(exactly: $0) }
        }
        guard let lists, let flat = lists as? [[Int32]], !flat.isEmpty, flat.allSatisfy({ !$0.isEmpty })
        else {
            throw TillerError.invalidOption(
                "\(tokens): expected lists of token ids as in [[1, 2, 3], [4, 5]]")
        }
        return flat
    }
}
