// SPDX-License-Identifier: Apache-2.0
// What measurements on texts have in common: their options, and how results of several files are told.

import ArgumentParser
import Commands
import JSON

/// How a model is steered and run, and for whom its results are.
struct EvaluationOptions: ParsableArguments {
    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    /// Prints what was measured on files: one by one where there are several, and together.
    ///
    /// - Parameters:
    ///   - names: what JSON calls the list of files, and one of them.
    ///   - object: the joint result; the list comes behind it.
    func report<Result>(
        _ parts: some Sequence<(String, Result)>, _ together: Result, as names: (list: String, one: String),
        object: JSON.Object, json partJSON: (Result) -> JSON.Object, printLines: (Result) -> Void
    ) {
        let parts = Array(parts)
        guard !json else {
            var object = object
            object[names.list] = .array(
                parts.map { path, part in
                    var object = partJSON(part)
                    object[names.one] = .string(path)
                    return .object(object)
                })
            return printLine(JSON.object(object).serialized())
        }
        if parts.count > 1 {
            for (path, part) in parts {
                printLine("\(path.printableLine):")
                printLines(part)
            }
            printLine("together:")
        }
        printLines(together)
    }
}

/// How a text is divided into chunks, by llama-perplexity's protocol.
struct ChunkOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of a chunk.", valueName: "n"))
    var context = 512

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Chunks of each text to score; all unless given.", valueName: "n"))
    var chunks: Int?

    func validate() throws {
        if let chunks, chunks < 1 { throw ValidationError("--chunks is \(chunks), expected at least 1") }
    }

    /// - Throws: `TillerError.invalidOption` for a context that no chunk can have.
    func check() throws { try require(context, in: 4...1 << 20, option: "--context") }
}
