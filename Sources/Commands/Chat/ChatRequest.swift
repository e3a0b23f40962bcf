// SPDX-License-Identifier: Apache-2.0
// The `chat` command: loads the model, then answers lines until the input ends.

import Formats
import Glibc
import Platform
import Tiller

/// The options of `chat`.
package struct ChatRequest: TextRequest {
    private var system: String?
    var settings = TextSettings(maximumTokens: 1024, usualContext: 4096)

    package init() {}

    package static let summary = CommandSummary(
        name: "chat", abstract: "Chat with a model; /help lists the chat's commands.",
        discussion: """
            Ctrl-C stops an answer, Ctrl-D ends the chat. Input can also come through a pipe, one message or \
            command per line; there the first that fails ends the chat. A message that begins with a slash is \
            written with two slashes, or after a space.
            """)

    package static let options: [CommandOption<Self>] = [
        .file(\.settings.file),
        .value("system", "text", "A system message.", \.system),
        .value("context", "n", "Maximum tokens of the conversation; 4096 by default.", \.settings.context),
        .value("max-tokens", "n", "Maximum tokens of an answer.", \.settings.generation.maximumTokens),
        stop,
        .value(
            "session", "file", "Keep the conversation and its computed state in this file.",
            \.settings.sessionFile, kind: .word),
        overcommit, requiredSigner,
    ]

    package mutating func adopt(_ bundle: BundleSettings) {
        settings.steering.adopt(bundle)
        system = system ?? bundle.system
    }

    package func check() throws { try settings.check(leastTokens: 1) }

    /// Runs the conversation.
    ///
    /// - Throws: `TillerError` where it cannot begin or, through a pipe, cannot continue; `Interruption`.
    package func run(_ signatures: SignatureChecks?) throws {
        let (session, seconds) = try settings.open(signatures)
        let chat = Conversation(
            session: session, system: nil,
            generation: settings.options(of: session.engine, isConversation: true))
        let sessionFile = settings.sessionFile
        if let sessionFile { chat.replaceMessages(try session.resume(from: sessionFile)) }
        if let system { chat.setSystem(system) }
        let isTerminal = isatty(STDIN_FILENO) == 1
        var loop = ChatLoop(conversation: chat, isTerminal: isTerminal)
        if isTerminal { loop.greet(loadSeconds: seconds) }
        // Ctrl-C stops an answer, or ends a conversation that is then saved; without either it ends the program.
        if isTerminal || sessionFile != nil { Interrupt.install() }
        guard let sessionFile else { return try loop.run() }
        // Save the conversation however it ends.
        let ending = Result { try loop.run() }
        Interrupt.reset()
        Interrupt.uninstall()
        if !session.tokens.isEmpty {
            try session.save(to: sessionFile, conversation: Message.json(chat.messages))
        }
        try ending.get()
    }
}
