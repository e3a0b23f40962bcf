// SPDX-License-Identifier: Apache-2.0
// tiller chat: a steered conversation in the terminal, or over pipes.

import ArgumentParser
import Glibc
import Platform
import Terminal
import Tiller

struct ChatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Chat with a model; /help lists what can be typed.")

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(help: "A system message.")
    var system: String?

    @Option(help: "Tokens of context.")
    var context = 4096

    @Option(help: "The most tokens of an answer.")
    var maxTokens = 1024

    @OptionGroup var sampling: SamplingCommandOptions
    @OptionGroup var steering: SteeringOptions
    @OptionGroup var engineOptions: EngineOptions

    func run() throws {
        var generation = GenerationOptions()
        generation.sampling = try sampling.parsed()
        generation.maximumTokens = maxTokens
        let steer = try steering.parsed()
        let (engine, seconds) = try engineOptions.load(file)
        let session = try engine.makeSession(contextLength: min(context, engine.contextLength))
        try session.steer(steer)
        let chat = Conversation(session: session, system: system, generation: generation)
        let isTerminal = isatty(STDIN_FILENO) == 1
        var loop = ChatLoop(conversation: chat, isTerminal: isTerminal)
        if isTerminal { loop.greet(loadSeconds: seconds) }
        try loop.run()
    }
}

/// Reads lines, answers them, and obeys commands.
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
        print(
            "\(engine.modelName) · \(engine.threadCount) threads · \(engine.kernelName) · loaded in "
                + "\(formatted(loadSeconds * 1000, digits: 0)) ms")
        if profiles.isEmpty {
            print("no profiles in this file; see 'tiller profile train --help'")
        } else {
            print("profiles: \(profiles.joined(separator: ", ")) — try /steer \(profiles[0]) or /compare")
        }
        print(Style.dim("/help lists the commands, Ctrl-C stops an answer, Ctrl-D ends the chat"))
    }

    mutating func run() throws {
        Interrupt.install()
        while true {
            switch editor.readLine(prompt: isTerminal ? Style.bold("> ") : "") {
            case .endOfInput:
                return
            case .interrupted:
                print(Style.dim("Ctrl-D or /quit ends the chat"))
            case .line(let line):
                let text = line.trimmed
                guard !text.isEmpty else { continue }
                guard try respond(to: text) else { return }
            }
        }
    }

    /// Returns false when the chat is over. What goes wrong in one turn does not end the conversation.
    private mutating func respond(to text: String) throws -> Bool {
        Interrupt.reset()
        do {
            if text.hasPrefix("/") { return try commands.execute(text) }
            try conversation.answer(text)
        } catch let error as TillerError {
            // A script that pipes its turns in must learn of the failure.
            guard isTerminal else { throw error }
            writeError("tiller: \(error)")
        }
        return true
    }

    private static var historyPath: String? {
        guard let home = getenv("HOME") else { return nil }
        return String(cString: home) + "/.tiller_history"
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}
