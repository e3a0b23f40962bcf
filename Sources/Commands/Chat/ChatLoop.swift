// SPDX-License-Identifier: Apache-2.0
// A conversation, line by line, in the terminal or through pipes.

import Glibc
import Platform
import Terminal
import Tiller

/// Reads lines, answers messages, and executes commands.
struct ChatLoop {
    private let conversation: Conversation
    private let isTerminal: Bool
    private let editor: LineEditor
    private var commands: ChatCommands

    init(conversation: Conversation, isTerminal: Bool) {
        self.conversation = conversation
        self.isTerminal = isTerminal
        let names = conversation.session.engine.profileNames
        editor = LineEditor(historyPath: ChatLoop.historyPath) {
            ChatCommands.completions(of: $0, profiles: names)
        }
        commands = ChatCommands(conversation: conversation)
    }

    func greet(loadSeconds: Double) {
        let engine = conversation.session.engine
        let profiles = engine.profileNames
        printLine(
            "\(Style.bold(engine.modelName.printableLine)) · \(engine.threadCount) threads · \(engine.kernelName) · loaded in "
                + "\(formatted(loadSeconds * 1000, digits: 0)) ms")
        if profiles.isEmpty {
            printLine("no profiles in this file; see 'tiller profile train --help'")
        } else {
            printLine(
                "profiles: \(engine.labelledProfileNames.joined(separator: ", ")) — try /steer \(profiles[0]) or /compare \(profiles[0])"
            )
        }
        if !engine.hasChatTemplate {
            printLine("this model has no chat format: it is prompted as a dialogue of User and Assistant")
        }
        printLine(Style.dim("/help lists the commands, Ctrl-C stops an answer, Ctrl-D ends the chat"))
    }

    mutating func run() throws {
        while true {
            switch editor.readLine(prompt: isTerminal ? Style.bold("> ") : "") {
            case .endOfInput:
                return
            case .tooLong:
                throw TillerError.invalidFile(
                    "a line of standard input has more than \(TextLimit.prompt) bytes")
            case .interrupted:
                guard isTerminal else { throw Interruption() }
                printLine(Style.dim("Ctrl-D or /quit ends the chat"))
            case .line(let line):
                guard !line.trimmed.isEmpty else { continue }
                guard try respond(to: ChatLine(line)) else { return }
            }
        }
    }

    /// Returns false when the chat is over. An error in one turn does not end the conversation.
    private mutating func respond(to line: ChatLine) throws -> Bool {
        Interrupt.reset()
        do {
            switch line {
            case .command(let text): return try commands.execute(text)
            case .message(let text): try conversation.answer(text)
            }
            if Interrupt.isRequested { throw Interruption() }
        } catch var error as TillerError {
            if case .contextOverflow(let needed, _) = error {
                error = .invalidOption(
                    "the conversation needs \(needed) of \(conversation.session.contextLength) tokens; /undo or /reset "
                        + "makes room, --context sets the limit")
            }
            // A script that pipes its turns needs to see the failure.
            guard isTerminal else { throw error }
            writeError("tiller: \("\(error)".printableLine)")
        } catch is Interruption {
            guard isTerminal else { throw Interruption() }
            printLine(Style.dim("stopped"))
        }
        return true
    }

    private static var historyPath: String? {
        guard let home = getenv("HOME") else { return nil }
        return String(cString: home) + "/.tiller_history"
    }
}

extension String {
    /// The text without white space at both ends.
    package var trimmed: String {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}
