// SPDX-License-Identifier: Apache-2.0
// One prompt, one text.

import JSON
import Platform
import Tiller

/// What `generate` is asked for.
package struct GenerateRequest {
    package var file: String
    /// "-" reads standard input.
    package var prompt: String
    package var isChat = false
    /// Makes the prompt a message of a conversation.
    package var system: String?
    /// Sampling, length, stops, and whether ln P is reported.
    package var generation = GenerationOptions()
    package var context: Int?
    package var parsesSpecial = false
    package var overcommits = false
    package var printsJSON = false
    package var steering: [Steer] = []
    package var engine = EngineSettings()
    /// A file that keeps what was computed; nil for none.
    package var sessionFile: String?
    /// Who must have signed the model, where somebody must.
    package var signer: RequiredSigner?

    package init(file: String, prompt: String) {
        self.file = file
        self.prompt = prompt
    }

    /// Prints the text.
    ///
    /// - Throws: `TillerError`, or `Interruption` after an interrupt.
    package func run() throws {
        let (engine, _) = try engine.load(
            file, context: context, usual: 2048, overcommits: overcommits, signer: signer)
        let content =
            try prompt == "-"
            ? text(of: readStandardInput(limit: TextLimit.prompt), from: "standard input") : prompt
        let contextLength = try engine.context(context, usual: 2048)
        let tokens = try promptTokens(content, engine: engine, contextLength: contextLength)
        let session = try engine.makeSession(contextLength: contextLength)
        try session.steer(steering)
        try engine.warn(about: steering)

        if let sessionFile { _ = try session.resume(from: sessionFile) }
        try session.advance(to: tokens)
        // An interrupt ends the program at once, unless there is something to keep of what came before it.
        if printsJSON || sessionFile != nil { Interrupt.install() }
        var options = generation
        options.stopStrings += isConversation ? engine.turnStops : []
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
        if generation.reportsLogProbabilities {
            object["logprobs"] = .array(result.logProbabilities.map { .number(Double($0)) })
        }
        return object
    }
}
