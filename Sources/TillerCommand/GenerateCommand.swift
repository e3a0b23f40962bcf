// SPDX-License-Identifier: Apache-2.0
// tiller generate: one prompt, one text.

import ArgumentParser
import JSON
import Platform
import Tiller

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a prompt, or answer it.",
        discussion: """
            The text streams to standard output. With --chat the prompt is a message in the model's own chat \
            format; a model that has none is prompted as a dialogue of User and Assistant.
            """)

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The text to continue; '-' reads standard input.", valueName: "text"))
    var prompt: String

    @Flag(help: "Treat the prompt as a user's message in the model's chat format.")
    var chat = false

    @Option(
        parsing: .unconditional, help: ArgumentHelp("A system message; implies --chat.", valueName: "text"))
    var system: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("The most tokens to generate.", valueName: "n"))
    var maxTokens = 256

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Stop before this text; may be given several times.", valueName: "text"))
    var stop: [String] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Tokens of prompt and answer together; 2048 unless given.", valueName: "n"))
    var context: Int?

    @Flag(help: "Let special tokens written out in the prompt act as such.")
    var special = false

    @Flag(help: "Report ln P of each token; needs --json.")
    var logprobs = false

    @Flag(help: "Print one JSON object instead of streaming text.")
    var json = false

    @OptionGroup(title: "Sampling") var sampling: SamplingCommandOptions
    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Steering") var cap: DamageCapOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func validate() throws {
        guard maxTokens >= 0 else {
            throw ValidationError("--max-tokens is \(maxTokens), expected 0 or more")
        }
        guard json || !logprobs else { throw ValidationError("--logprobs needs --json") }
    }

    func run() throws {
        let sampling = try sampling.parsed()
        let steer = try steering.parsed()
        let limit = try cap.parsed()
        let (engine, _) = try engineOptions.load(file)
        let content = try prompt == "-" ? text(of: readStandardInput(), from: "standard input") : prompt
        let tokens = try promptTokens(content, engine: engine)
        let session = try engine.makeSession(contextLength: engine.context(context, usual: 2048))
        try session.steer(steer)
        try engine.warn(about: steer)

        Interrupt.install()
        try session.evaluate(tokens, while: { !Interrupt.isRequested })
        guard !Interrupt.isRequested else { throw CancellationError() }
        var options = GenerationOptions()
        options.sampling = sampling
        options.maximumTokens = maxTokens
        options.stopStrings = stop + (isChat ? engine.turnStops : [])
        options.reportsLogProbabilities = logprobs
        options.maximumDivergence = limit
        var stream = json ? nil : AnswerStream(trims: isChat && !engine.hasChatTemplate)
        let result = try session.generate(options) { token in
            stream?.show(token.text)
            return !Interrupt.isRequested
        }
        if json {
            printLine(JSON.object(report(result, promptTokens: tokens.count)).serialized())
        } else {
            printLine()
        }
        if result.stopReason == .cancelled { throw CancellationError() }
    }

    private var isChat: Bool { chat || system != nil }

    private func promptTokens(_ text: String, engine: Engine) throws -> [Int32] {
        if isChat {
            guard !text.isEmpty else { throw TillerError.invalidOption("the prompt is empty") }
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
        if let divergence = result.divergence { object["divergence"] = divergence.json }
        if logprobs { object["logprobs"] = .array(result.logProbabilities.map { .number(Double($0)) }) }
        return object
    }
}
