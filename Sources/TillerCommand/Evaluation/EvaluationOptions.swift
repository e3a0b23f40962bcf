// SPDX-License-Identifier: Apache-2.0
// Shared parts of measurements on texts: options, and the output of results for several files.

import ArgumentParser
import Commands
import JSON

/// How to steer and run the model, and in which form to print results.
struct EvaluationOptions: ParsableArguments {
    @Flag(help: "Print one JSON object.") var json = false

    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    /// Prints the measurements of files: each file's, if there are several, and the joint result.
    ///
    /// - Parameters:
    ///   - names: JSON keys of the list of files, and of one file.
    ///   - object: the joint result; the list follows it.
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

/// How a text is split into chunks, by llama-perplexity's protocol.
struct ChunkOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp("Tokens per chunk.", valueName: "n"))
    var context = 512

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Chunks of each text to score; all by default.", valueName: "n"))
    var chunks: Int?

    func validate() throws {
        if let chunks, chunks < 1 { throw ValidationError("--chunks is \(chunks), expected at least 1") }
    }

    /// - Throws: `TillerError.invalidOption` for a context that is not a valid chunk length.
    func check() throws { try require(context, in: 4...1 << 20, option: "--context") }
}
