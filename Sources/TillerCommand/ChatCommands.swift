// SPDX-License-Identifier: Apache-2.0
// What can be typed in a chat besides messages.

import Glibc
import JSON
import Platform
import Terminal
import Tiller

/// Executes lines that begin with a slash.
struct ChatCommands {
    let conversation: Conversation

    private static let help: [(usage: String, meaning: String)] = [
        ("/steer", "show the steering; /steer NAME[=STRENGTH] … sets it, /steer off ends it"),
        ("/compare", "answer the last question again, plain and steered side by side, with one seed"),
        ("/system TEXT", "set the system message; without text, remove it"),
        ("/regenerate", "replace the last answer"),
        ("/undo", "take the last question and its answer back"),
        ("/reset", "forget all messages but the system's"),
        ("/save FILE", "write the conversation as JSON"),
        ("/load FILE", "read a conversation"),
        ("/stats", "speed and context of the last answer"),
        ("/quit", "end the chat"),
    ]

    /// Completions of a line for the Tab key.
    static func completions(of line: String, profiles: [String]) -> [String] {
        if line.hasPrefix("/steer ") {
            let prefix = line.split(separator: " ", omittingEmptySubsequences: false).last ?? ""
            let head = line.dropLast(prefix.count)
            return (profiles + ["off"]).filter { $0.hasPrefix(prefix) }.map { head + $0 }
        }
        return (help.map { String($0.usage.prefix { $0 != " " }) } + ["/help"]).filter { $0.hasPrefix(line) }
    }

    /// Returns false when the chat is over.
    func execute(_ line: String) throws(TillerError) -> Bool {
        let parts = line.split(separator: " ", maxSplits: 1)
        let argument = parts.count > 1 ? String(parts[1]).trimmed : ""
        switch parts[0] {
        case "/quit", "/exit": return false
        case "/help", "/?": printHelp()
        case "/steer", "/profile": try steer(argument)
        case "/compare": try compare()
        case "/system":
            conversation.setSystem(argument)
            print(argument.isEmpty ? "no system message" : "system message set")
        case "/regenerate", "/regen": try conversation.regenerate()
        case "/undo": print("took back: \(try conversation.undo())")
        case "/reset", "/clear":
            conversation.replaceMessages(conversation.messages.filter { $0.role == "system" })
            print("a new conversation")
        case "/save": try save(argument)
        case "/load": try load(argument)
        case "/stats": printStatistics()
        default: throw .invalidOption("unknown command \(parts[0]); /help lists what there is")
        }
        return true
    }

    private func printHelp() {
        for (usage, meaning) in Self.help { print("\(usage.padded(to: 14)) \(meaning)") }
    }

    // MARK: - Steering

    private func steer(_ argument: String) throws(TillerError) {
        let session = conversation.session
        if argument == "off" {
            try session.steer([])
        } else if !argument.isEmpty {
            var selection: [Steer] = []
            for word in argument.split(separator: " ") { selection.append(try Steer(parsing: String(word))) }
            try session.steer(selection)
        }
        if session.steering.isEmpty {
            let names = session.engine.profileNames
            print("no steering; profiles: \(names.isEmpty ? "none" : names.joined(separator: ", "))")
        } else {
            print("steering: \(try describe(session.steering))")
        }
    }

    private func describe(_ steering: [Steer]) throws(TillerError) -> String {
        var texts: [String] = []
        for steer in steering {
            let profile = try conversation.session.engine.profile(named: steer.name)
            let strength = steer.strength ?? profile.recommendedStrength
            let isSafe = strength >= profile.minimumStrength && strength <= profile.maximumStrength
            let warning =
                " (outside \(profile.minimumStrength) … \(profile.maximumStrength): text may fall apart)"
            texts.append("\(steer.name)=\(strength)\(isSafe ? "" : warning)")
        }
        return texts.joined(separator: " ")
    }

    private func compare() throws(TillerError) {
        guard !conversation.session.steering.isEmpty else {
            throw .invalidOption("nothing steers; /steer NAME first")
        }
        let (plain, steered) = try conversation.compare()
        let title = try describe(conversation.session.steering)
        print(
            SideBySide.render(
                left: plain, right: steered, titles: ("plain", title), width: TerminalSize.columns))
    }

    // MARK: - Files

    private func save(_ path: String) throws(TillerError) {
        guard !path.isEmpty else { throw .invalidOption("/save needs a file name") }
        let list = conversation.messages.map {
            JSON.object(["role": .string($0.role), "content": .string($0.content)])
        }
        let text = JSON.object(["messages": .array(list)]).serialized(pretty: true) + "\n"
        do {
            let writer = try AtomicFileWriter(path: path, replaceExisting: true)
            try Array(text.utf8).withUnsafeBytes { try writer.write($0) }
            try writer.commit()
        } catch { throw .invalidFile("\(error)") }
        print("saved \(list.count) messages to \(path)")
    }

    private func load(_ path: String) throws(TillerError) {
        guard !path.isEmpty else { throw .invalidOption("/load needs a file name") }
        let parsed: JSON
        do { parsed = try JSON.parse(readFile(path: path, limit: 1 << 26)) } catch {
            throw .invalidFile("\(path): \(error)")
        }
        var messages: [Message] = []
        for entry in parsed["messages"]?.arrayValue ?? [] {
            guard let role = entry["role"]?.stringValue, let content = entry["content"]?.stringValue,
                ["system", "user", "assistant"].contains(role)
            else { throw .invalidFile("\(path): message \(messages.count) has no valid role and content") }
            messages.append(Message(role: role, content: content))
        }
        guard !messages.isEmpty else { throw .invalidFile("\(path) holds no messages") }
        conversation.replaceMessages(messages)
        print("loaded \(messages.count) messages")
    }

    private func printStatistics() {
        let turn = conversation.statistics
        let session = conversation.session
        func speed(_ count: Int, _ seconds: Double) -> String {
            seconds > 0 && count > 0 ? formatted(Double(count) / seconds, digits: 1) : "-"
        }
        print(
            "prompt     \(turn.promptTokens) new tokens, \(speed(turn.promptTokens, turn.promptSeconds)) tokens/s"
        )
        print(
            "answer     \(turn.generatedTokens) tokens, \(speed(turn.generatedTokens, turn.generatedSeconds)) tokens/s"
        )
        print("context    \(session.tokens.count) of \(session.contextLength) tokens")
        print("memory     \(formatted(bytes: ProcessMemory.residentByteCount())) resident")
    }
}
