// SPDX-License-Identifier: Apache-2.0
// The `generate` command: one prompt, one text.

import Formats
import JSON
import Platform
import Tiller

/// The options of `generate`.
package struct GenerateRequest: TextRequest {
    /// "-" reads standard input.
    private var prompt = ""
    private var isChat = false
    /// The system message; it makes the prompt a message of a conversation.
    private var system: String?
    private var parsesSpecial = false
    private var printsJSON = false
    var settings = TextSettings(maximumTokens: 256, usualContext: 2048)

    package init() {}

    package static let summary = CommandSummary(
        name: "generate", abstract: "Continue a prompt, or answer it.",
        discussion: """
            The text streams to standard output. With --chat the prompt is a message in the model's own chat \
            format; a model that has none is prompted as a dialogue of User and Assistant.
            """)

    package static let options: [CommandOption<Self>] = [
        .file(\.settings.file),
        .value(
            "prompt", "text", "The text to continue; '-' reads standard input.", \.prompt, isRequired: true),
        .flag("chat", "Treat the prompt as a user's message in the model's chat format.", \.isChat),
        .value("system", "text", "A system message; implies --chat.", \.system),
        .value("max-tokens", "n", "Maximum tokens to generate.", \.settings.generation.maximumTokens),
        stop,
        .value(
            "context", "n", "Maximum tokens of prompt and answer; 2048 by default.", \.settings.context),
        .flag("special", "Parse special tokens that are written out in the prompt.", \.parsesSpecial),
        .flag(
            "logprobs", "Report ln P of each token; needs --json.",
            \.settings.generation.reportsLogProbabilities),
        .value(
            "session", "file", "Keep the computed state in this file, and reuse it where it is still valid.",
            \.settings.sessionFile, kind: .word),
        overcommit, requiredSigner,
        .flag("json", "Print one JSON object instead of streaming text.", \.printsJSON),
    ]

    package mutating func adopt(_ bundle: BundleSettings) {
        settings.steering.adopt(bundle)
        if isChat { system = system ?? bundle.system }
    }

    package func check() throws {
        try settings.check(leastTokens: 0)
        guard printsJSON || !settings.generation.reportsLogProbabilities else {
            throw UsageError("--logprobs needs --json")
        }
    }

    /// Generates and prints the text.
    package func run(_ signatures: SignatureChecks?) throws {
        let (session, _) = try settings.open(signatures)
        let engine = session.engine
        let content =
            try prompt == "-"
            ? text(of: readStandardInput(limit: TextLimit.prompt), from: "standard input") : prompt
        let tokens = try promptTokens(content, engine: engine, contextLength: session.contextLength)
        let sessionFile = settings.sessionFile
        if let sessionFile { _ = try session.resume(from: sessionFile) }
        try session.advance(to: tokens)
        // An interrupt ends the program at once, unless there are results to keep.
        if printsJSON || sessionFile != nil { Interrupt.install() }
        let options = settings.options(of: engine, isConversation: isConversation)
        var stream = printsJSON ? nil : AnswerStream(trims: isConversation && !engine.hasChatTemplate)
        let result = try session.generate(options) { token in
            stream?.show(token.text)
            return !Interrupt.isRequested
        }
        if result.stopReason != .cancelled { Interrupt.uninstall() }
        if printsJSON {
            printLine(JSON.object(report(result, promptTokens: tokens.count)).serialized())
        } else {
            printLine()
        }
        if let sessionFile { try session.save(to: sessionFile) }
        if result.stopReason == .cancelled { throw Interruption() }
    }

    private var isConversation: Bool { isChat || system != nil }

    private func promptTokens(_ text: String, engine: Engine, contextLength: Int) throws -> [Int32] {
        if isConversation {
            guard !text.isEmpty else { throw TillerError.invalidOption("the prompt is empty") }
            var messages = [Message(role: "user", content: text)]
            if let system { messages.insert(Message(role: "system", content: system), at: 0) }
            return try engine.encode(conversation: messages, fitting: contextLength)
        }
        let tokens = try engine.encode(text, parsingSpecial: parsesSpecial, fitting: contextLength)
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
        if settings.generation.reportsLogProbabilities {
            object["logprobs"] = .array(result.logProbabilities.map { .number(Double($0)) })
        }
        return object
    }
}
