// SPDX-License-Identifier: Apache-2.0
// tiller generate: one prompt, one text.

import ArgumentParser
import JSON
import Platform
import Tiller

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a prompt, or answer it.")

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(help: "The text to continue; '-' reads standard input.")
    var prompt: String

    @Flag(help: "Treat the prompt as a user's message in the model's chat format.")
    var chat = false

    @Option(help: "A system message; implies --chat.")
    var system: String?

    @Option(help: "The most tokens to generate.")
    var maxTokens = 256

    @Option(help: ArgumentHelp("Stop before this text; may be given several times.", valueName: "text"))
    var stop: [String] = []

    @Option(help: "Tokens of context.")
    var context = 2048

    @Flag(help: "Let special tokens written out in the prompt act as such.")
    var special = false

    @Flag(help: "Report the log-probability of each token (with --json).")
    var logprobs = false

    @Flag(help: "Print one JSON object instead of streaming text.")
    var json = false

    @OptionGroup var sampling: SamplingCommandOptions
    @OptionGroup var steering: SteeringOptions
    @OptionGroup var engineOptions: EngineOptions

    func validate() throws {
        guard maxTokens >= 0 else {
            throw ValidationError("--max-tokens is \(maxTokens), expected 0 or more")
        }
    }

    func run() throws {
        let sampling = try sampling.parsed()
        let steer = try steering.parsed()
        let (engine, _) = try engineOptions.load(file)
        let text = prompt == "-" ? String(decoding: try readStandardInput(), as: UTF8.self) : prompt
        let tokens = try promptTokens(text, engine: engine)
        let session = try engine.makeSession(contextLength: context)
        try session.steer(steer)

        Interrupt.install()
        try session.evaluate(tokens, while: { !Interrupt.isRequested })
        guard !Interrupt.isRequested else { throw ExitCode(130) }
        var options = GenerationOptions()
        options.sampling = sampling
        options.maximumTokens = maxTokens
        options.stopStrings = stop
        options.reportsLogProbabilities = logprobs
        let streams = !json
        let result = try session.generate(options) { token in
            if streams { writeOutput(token.text) }
            return !Interrupt.isRequested
        }
        if json {
            print(JSON.object(report(result, promptTokens: tokens.count)).serialized())
        } else {
            print()
        }
        if result.stopReason == .cancelled { throw ExitCode(130) }
    }

    private func promptTokens(_ text: String, engine: Engine) throws -> [Int32] {
        if chat || system != nil {
            var messages = [Message(role: "user", content: text)]
            if let system { messages.insert(Message(role: "system", content: system), at: 0) }
            return try engine.encode(conversation: messages)
        }
        let tokens = engine.encode(text, parsingSpecial: special)
        guard !tokens.isEmpty else { throw TillerError.invalidOption("the prompt is empty") }
        return tokens
    }

    private func report(_ result: GenerationResult, promptTokens: Int) -> JSON.Object {
        var object: JSON.Object = [
            "text": .string(result.text), "tokens": .array(result.tokens.map { .integer(Int($0)) }),
            "prompt_tokens": .integer(promptTokens), "stop_reason": .string(result.stopReason.rawValue),
            "seed": .integer(Int(clamping: result.seed)),
        ]
        if logprobs { object["logprobs"] = .array(result.logProbabilities.map { .number(Double($0)) }) }
        return object
    }
}
