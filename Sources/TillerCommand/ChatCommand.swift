// SPDX-License-Identifier: Apache-2.0
// tiller chat: a steered conversation in the terminal, or over pipes.

import ArgumentParser
import Glibc
import Platform
import Terminal
import Tiller

struct ChatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Chat with a model; /help lists what can be typed.",
        discussion: """
            Ctrl-C stops an answer, Ctrl-D ends the chat. Lines can also come through a pipe, one message or \
            command each; the first that fails ends the chat then.
            """)

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(parsing: .unconditional, help: ArgumentHelp("A system message.", valueName: "text"))
    var system: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Tokens of the whole conversation; 4096 unless given.", valueName: "n"))
    var context: Int?

    @Option(parsing: .unconditional, help: ArgumentHelp("The most tokens of an answer.", valueName: "n"))
    var maxTokens = 1024

    @OptionGroup var sampling: SamplingCommandOptions
    @OptionGroup var steering: SteeringOptions
    @OptionGroup var cap: DamageCapOptions
    @OptionGroup var engineOptions: EngineOptions

    func validate() throws {
        guard maxTokens >= 1 else {
            throw ValidationError("--max-tokens is \(maxTokens), expected 1 or more")
        }
    }

    func run() throws {
        var generation = GenerationOptions()
        generation.sampling = try sampling.parsed()
        generation.maximumTokens = maxTokens
        generation.maximumDivergence = try cap.parsed()
        let steer = try steering.parsed()
        let (engine, seconds) = try engineOptions.load(file)
        let session = try engine.makeSession(contextLength: engine.context(context, usual: 4096))
        try session.steer(steer)
        try engine.warn(about: steer)
        generation.stopStrings = engine.turnStops
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
        Interrupt.install()
        while true {
            switch editor.readLine(prompt: isTerminal ? Style.bold("> ") : "") {
            case .endOfInput:
                return
            case .interrupted:
                guard isTerminal else { throw CancellationError() }
                printLine(Style.dim("Ctrl-D or /quit ends the chat"))
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
            if Interrupt.isRequested { throw CancellationError() }
        } catch var error as TillerError {
            if case .contextOverflow(let needed, _) = error {
                error = .invalidOption(
                    "the conversation needs \(needed) tokens of \(conversation.session.contextLength); /undo or /reset "
                        + "makes room, --context gives more")
            }
            // A script that pipes its turns in must learn of the failure.
            guard isTerminal else { throw error }
            writeError("tiller: \("\(error)".printableLine)")
        } catch is CancellationError {
            guard isTerminal else { throw CancellationError() }
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
    /// Without white space at both ends.
    var trimmed: String {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}
