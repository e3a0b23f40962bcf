// SPDX-License-Identifier: Apache-2.0
// A conversation: messages beside the session that holds their tokens.

import Glibc
import Platform
import Terminal
import Tiller

/// What a generation cost.
struct TurnStatistics {
    var promptTokens = 0
    var promptSeconds = 0.0
    var generatedTokens = 0
    var generatedSeconds = 0.0
}

/// Messages so far; answers stream to standard output.
final class Conversation {
    let session: Session
    var generation: GenerationOptions
    private(set) var messages: [Message] = []
    private(set) var statistics = TurnStatistics()

    init(session: Session, system: String?, generation: GenerationOptions) {
        self.session = session
        self.generation = generation
        if let system { setSystem(system) }
    }

    var system: String? { messages.first.flatMap { $0.role == "system" ? $0.content : nil } }

    /// Sets or, with an empty text, removes the system message.
    func setSystem(_ text: String) {
        if messages.first?.role == "system" { messages.removeFirst() }
        if !text.isEmpty { messages.insert(Message(role: "system", content: text), at: 0) }
    }

    func replaceMessages(_ newMessages: [Message]) { messages = newMessages }

    /// Appends a user's message and the model's answer to it.
    ///
    /// - Throws: `TillerError`; the conversation is then as it was.
    func answer(_ text: String) throws(TillerError) {
        messages.append(Message(role: "user", content: text))
        do { try generateAnswer() } catch {
            messages.removeLast()
            throw error
        }
    }

    /// Drops the last answer and generates another one.
    func regenerate() throws(TillerError) {
        guard messages.last?.role == "assistant" else {
            throw .invalidOption("there is no answer to generate anew")
        }
        let old = messages.removeLast()
        do { try generateAnswer() } catch {
            messages.append(old)
            throw error
        }
    }

    /// Drops the last question and its answer; returns the question.
    func undo() throws(TillerError) -> String {
        guard let index = messages.lastIndex(where: { $0.role == "user" }) else {
            throw .invalidOption("there is nothing to undo")
        }
        let question = messages[index].content
        messages.removeSubrange(index...)
        return question
    }

    /// Answers the last question twice, plain and steered, with the same seed; the conversation stays as it is.
    func compare() throws(TillerError) -> (plain: String, steered: String) {
        guard let index = messages.lastIndex(where: { $0.role == "user" }) else {
            throw .invalidOption("ask something first; /compare answers it plain and steered")
        }
        let tokens = try session.engine.encode(conversation: Array(messages[...index]))
        var options = generation
        options.sampling.seed = options.sampling.seed ?? 1
        let plain = try text(of: tokens, steering: [], options)
        return (plain, try text(of: tokens, steering: session.steering, options))
    }

    private func text(of tokens: [Int32], steering: [Steer], _ options: GenerationOptions) throws(TillerError)
        -> String
    {
        let copy = try session.engine.makeSession(contextLength: session.contextLength)
        try copy.steer(steering)
        try copy.advance(to: tokens, while: { !Interrupt.isRequested })
        guard !Interrupt.isRequested else { return "" }
        return try copy.generate(options) { _ in !Interrupt.isRequested }.text
    }

    private func generateAnswer() throws(TillerError) {
        let tokens = try session.engine.encode(conversation: messages)
        var turn = TurnStatistics()
        let start = MonotonicClock.now()
        let known = zip(session.tokens, tokens).prefix { $0 == $1 }.count
        try session.advance(to: tokens, while: { !Interrupt.isRequested })
        turn.promptTokens = tokens.count - known
        turn.promptSeconds = MonotonicClock.now() - start
        guard !Interrupt.isRequested else { throw .invalidOption("stopped before the answer began") }
        let result = try session.generate(generation) { token in
            writeOutput(token.text)
            return !Interrupt.isRequested
        }
        print()
        turn.generatedTokens = result.tokens.count
        turn.generatedSeconds = MonotonicClock.now() - start - turn.promptSeconds
        statistics = turn
        messages.append(Message(role: "assistant", content: result.text))
        if result.stopReason == .contextFull {
            writeError(
                "tiller: the context of \(session.contextLength) tokens is full; /undo or /reset makes room")
        }
    }
}
