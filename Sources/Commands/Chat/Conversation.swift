// SPDX-License-Identifier: Apache-2.0
// A conversation: its messages, and the session that holds their tokens.

import Glibc
import Platform
import Terminal
import Tiller

/// Tokens and times of one turn.
struct TurnStatistics {
    var promptTokens = 0
    var promptSeconds = 0.0
    var generatedTokens = 0
    var generatedSeconds = 0.0
}

/// The messages so far; answers stream to standard output.
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

    /// Sets the system message, or removes it if the text is empty.
    func setSystem(_ text: String) {
        if messages.first?.role == "system" { messages.removeFirst() }
        if !text.isEmpty { messages.insert(Message(role: "system", content: text), at: 0) }
    }

    func replaceMessages(_ newMessages: [Message]) { messages = newMessages }

    /// Appends a user's message and the model's answer; an interrupted answer keeps what was generated.
    ///
    /// - Throws: `TillerError`, or `Interruption` if an interrupt came before the answer began; the conversation is then
    ///   unchanged.
    func answer(_ text: String) throws {
        messages.append(Message(role: "user", content: text))
        do { try generateAnswer() } catch {
            messages.removeLast()
            throw error
        }
    }

    /// Replaces the last answer with a new one.
    func regenerate() throws {
        guard messages.last?.role == "assistant" else {
            throw TillerError.invalidOption("there is no answer to generate again")
        }
        let old = messages.removeLast()
        do { try generateAnswer() } catch {
            messages.append(old)
            throw error
        }
    }

    /// Removes the last question and its answer; returns the question.
    func undo() throws(TillerError) -> String {
        guard let index = messages.lastIndex(where: { $0.role == "user" }) else {
            throw .invalidOption("there is nothing to undo")
        }
        let question = messages[index].content
        messages.removeSubrange(index...)
        return question
    }

    /// Answers the last question twice, without and with steering, with the same seed; the conversation does not change.
    ///
    /// An unsteered session follows the steered answer's tokens and measures the divergence at each token.
    func compare(with steering: [AppliedProfile]) throws -> Comparison {
        guard let index = messages.lastIndex(where: { $0.role == "user" }) else {
            throw TillerError.invalidOption("ask something first; /compare answers it plain and steered")
        }
        let tokens = try session.engine.encode(
            conversation: Array(messages[...index]), fitting: session.contextLength)
        var options = generation
        options.sampling.seed = options.sampling.seed ?? 1
        options.reportsDivergence = true
        let plain = try answer(to: tokens, steering: [], options, label: "plain")
        let steered = try answer(to: tokens, steering: steering, options, label: "steered")
        return Comparison(
            plain: plain.text, steered: steered.text,
            commonTokenCount: zip(plain.tokens, steered.tokens).prefix { $0 == $1 }.count,
            divergences: steered.divergences)
    }

    private struct ComparedAnswer {
        let text: String
        let tokens: [Int32]
        let divergences: [TokenDivergence]
    }

    private func answer(
        to tokens: [Int32], steering: [AppliedProfile], _ options: GenerationOptions, label: String
    )
        throws -> ComparedAnswer
    {
        let copy = try session.engine.makeSession(contextLength: session.contextLength)
        try copy.steer(steering)
        try copy.advance(to: tokens, while: { !Interrupt.isRequested })
        guard !Interrupt.isRequested else { throw Interruption() }
        // The two texts appear together at the end; until then a progress display is shown.
        let isWatched = isatty(STDERR_FILENO) == 1 && Style.isEnabled
        var count = 0
        var divergences: [TokenDivergence] = []
        let result = try copy.generate(options) { token in
            count += 1
            var meter = ""
            if let divergence = token.divergence {
                divergences.append(divergence)
                let last = divergences.suffix(24).map(\.nats)
                meter = ", KL \(formatted(divergence.nats, digits: 3)) \(Comparison.bars(last))"
            }
            if isWatched { writeError("\r\(label): \(count) tokens\(meter)", terminator: "\u{1B}[K") }
            return !Interrupt.isRequested
        }
        if isWatched { writeError("\r", terminator: "\u{1B}[K") }
        guard !Interrupt.isRequested else { throw Interruption() }
        return ComparedAnswer(
            text: session.engine.hasChatTemplate ? result.text : result.text.trimmed,
            tokens: result.tokens, divergences: divergences)
    }

    private func generateAnswer() throws {
        let tokens = try session.engine.encode(conversation: messages, fitting: session.contextLength)
        var turn = TurnStatistics()
        let start = MonotonicClock.now()
        // Tokens that a change of steering invalidated are computed again and count, and so is the last answer if it was
        // steered differently from a prompt.
        _ = session.keepBeginning(of: tokens[...])
        let known = session.cachedTokenCount
        try session.advance(to: tokens, while: { !Interrupt.isRequested })
        turn.promptTokens = tokens.count - known
        turn.promptSeconds = MonotonicClock.now() - start
        guard !Interrupt.isRequested else { throw Interruption() }
        var stream = AnswerStream(trims: !session.engine.hasChatTemplate)
        let result = try session.generate(generation) { token in
            stream.show(token.text)
            return !Interrupt.isRequested
        }
        printLine()
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
