// SPDX-License-Identifier: Apache-2.0
// A conversation: the model is loaded, then lines are answered until there are no more.

import Glibc
import Platform
import Tiller

/// What `chat` is asked for.
package struct ChatRequest {
    package var file: String
    package var system: String?
    package var context: Int?
    package var overcommits = false
    package var generation = GenerationOptions()
    package var steering: [Steer] = []
    package var engine = EngineSettings()
    /// A file that keeps the conversation and what was computed for it; nil for none.
    package var sessionFile: String?
    /// Who must have signed the model, where somebody must.
    package var signer: RequiredSigner?

    package init(file: String) { self.file = file }

    /// Holds the conversation.
    ///
    /// - Throws: `TillerError` where it cannot begin or, over a pipe, cannot go on; `Interruption`.
    package func run() throws {
        let (engine, seconds) = try engine.load(
            file, context: context, usual: 4096, overcommits: overcommits, signer: signer)
        let session = try engine.makeSession(contextLength: engine.context(context, usual: 4096))
        try session.steer(steering)
        try engine.warn(about: steering)
        var generation = generation
        generation.stopStrings += engine.turnStops
        let chat = Conversation(session: session, system: nil, generation: generation)
        if let sessionFile { chat.replaceMessages(try session.resume(from: sessionFile)) }
        if let system { chat.setSystem(system) }
        let isTerminal = isatty(STDIN_FILENO) == 1
        var loop = ChatLoop(conversation: chat, isTerminal: isTerminal)
        if isTerminal { loop.greet(loadSeconds: seconds) }
        // Ctrl-C stops an answer, or ends a conversation that is then kept; without either it ends the program.
        if isTerminal || sessionFile != nil { Interrupt.install() }
        guard let sessionFile else { return try loop.run() }
        // The conversation is kept however it ends.
        let ending = Result { try loop.run() }
        Interrupt.reset()
        Interrupt.uninstall()
        if !session.tokens.isEmpty {
            try session.save(to: sessionFile, conversation: Message.json(chat.messages))
        }
        try ending.get()
    }
}
