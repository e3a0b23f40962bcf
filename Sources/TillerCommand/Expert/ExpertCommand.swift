// SPDX-License-Identifier: Apache-2.0
// tiller expert: steering profiles that one model learns from another.

import ArgumentParser
import Commands
import Evaluation
import ExpertSteer
import Formats
import Platform
import Terminal
import Tiller

struct ExpertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expert", abstract: "Steer a model by what another model knows (ExpertSteer).",
        subcommands: [
            ExpertTrainCommand.self, ExpertGapCommand.self, ExpertCompareCommand.self,
            ExpertCaptureCommand.self,
        ])
}

/// The texts that a target and its expert both read.
struct ReadingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("JSON lines with prompt (optional), positive and negative.", valueName: "path"))
    var pairs: String?

    @Option(
        help: ArgumentHelp(
            "Unlabelled texts: UTF-8, separated by blank lines, or JSON lines with text if the name ends in "
                + ".jsonl.", valueName: "path"))
    var texts: String?

    /// The file to name in errors about the rows.
    var blamed: String { pairs ?? texts ?? "the data" }

    func list() throws -> Corpus {
        guard pairs != nil || texts != nil else {
            throw TillerError.invalidOption("there is nothing to read; give --pairs, --texts or both")
        }
        let rows = try pairs.map { try readPairs(path: $0).pairs } ?? []
        let plain = try texts.map { path in
            let bytes = try readInput(path: path, limit: TextLimit.text)
            do { return try PlainTexts.read(bytes, fileName: path) } catch {
                throw TillerError.invalidFile("\(error)")
            }
        }
        return try blaming(blamed) { try Corpus(pairs: rows, texts: plain ?? []) }
    }
}

struct ExpertCaptureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture", abstract: "Write a model's hidden states over texts to a file.",
        discussion: """
            The output is a safetensors file in the layout of formats/activations.md; 'expert train' learns from it as \
            from the model itself. tools/harvest-activations writes such files for models of transformers. --shard i/n \
            writes one of n parts, on any machine; 'expert train' takes all parts together, in any order.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String

    @OptionGroup(title: "Data") var reading: ReadingOptions

    @Option(help: ArgumentHelp("The file to write.", valueName: "path")) var output: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Layers, as in 10-18 or 8,12; all by default.", valueName: "layers"))
    var layers: String?

    @Option(
        help: ArgumentHelp(
            "Tokens whose state is taken: last, mean (of a side or a text), or after:MARKER (the first).",
            valueName: "rule"))
    var position = PositionRule.mean

    @Option(parsing: .unconditional, help: ArgumentHelp("Write only part i of n.", valueName: "i/n"))
    var shard = ActivationShard.whole

    @Flag(help: "Overwrite the output.") var force = false

    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        let wanted = try layers.map(parseLayers)
        let list = try reading.list()
        try requireOutput(
            output, force: force, apartFrom: InputFile("the model", file),
            InputFile("--pairs", reading.pairs), InputFile("--texts", reading.texts))
        let (engine, _) = try engineOptions.load(file)
        let capture = try ActivationCapture(engine: engine, position: position, layers: wanted)
        let bar = ProgressBar(label: "capture \(engine.modelName.printableLine)", total: list.rows.count)
        let result = try capture.capture(list, shard: shard, to: output, replaceExisting: force) {
            done, total in
            bar.update(done, total: total)
        }
        bar.finish()
        let unread = result.unreadCount > 0 ? ", \(result.unreadCount) of them without a token to read" : ""
        printLine(
            "captured \(result.rowCount) rows\(unread), shard \(shard), of \(list.pairs.count) pairs and "
                + "\(list.texts.count) texts to \(output.printableLine)")
    }
}

extension PositionRule: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
    package var defaultValueDescription: String { description }
}

extension ActivationShard: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
    package var defaultValueDescription: String { description }
}
