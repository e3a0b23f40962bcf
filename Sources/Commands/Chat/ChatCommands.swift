// SPDX-License-Identifier: Apache-2.0
// The commands of a chat.

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
        (
            "/compare",
            "answer the last question plain and steered, and compare; /compare NAME[=STRENGTH] …"
        ),
        ("/system TEXT", "set the system message; without text, remove it"),
        ("/regenerate", "replace the last answer"),
        ("/undo", "remove the last question and its answer"),
        ("/reset", "forget all messages but the system message"),
        ("/save FILE", "write the conversation as JSON"),
        ("/load FILE", "read a conversation"),
        ("/stats", "speed and context of the last answer"),
        ("/quit", "end the chat"),
    ]

    /// Completions of a line, for the Tab key.
    static func completions(of line: String, profiles: [String]) -> [String] {
        if line.hasPrefix("/steer ") || line.hasPrefix("/compare ") {
            let prefix = line.split(separator: " ", omittingEmptySubsequences: false).last ?? ""
            let head = line.dropLast(prefix.count)
            return (profiles + ["off"]).filter { $0.hasPrefix(prefix) }.map { head + $0 }
        }
        return (help.map { String($0.usage.prefix { $0 != " " }) } + ["/help"]).filter { $0.hasPrefix(line) }
    }

    /// Aliases of commands, and the help command.
    private static let otherNames = ["/help", "/?", "/exit", "/profile", "/regen", "/clear"]

    /// Whether a line begins with the name of a command.
    static func isCommand(_ line: String) -> Bool {
        let name = line.prefix { !$0.isWhitespace }
        return otherNames.contains { $0 == name } || help.contains { $0.usage.prefix { $0 != " " } == name }
    }

    /// Returns false when the chat is over.
    func execute(_ line: String) throws -> Bool {
        let parts = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
        let argument = parts.count > 1 ? String(parts[1]).trimmed : ""
        switch parts[0] {
        case "/quit", "/exit": return false
        case "/help", "/?": printHelp()
        case "/steer", "/profile": try steer(argument)
        case "/compare": try compare(argument)
        case "/system":
            conversation.setSystem(argument)
            printLine(argument.isEmpty ? "no system message" : "system message set")
        case "/regenerate", "/regen": try conversation.regenerate()
        case "/undo": printLine("removed: \(try conversation.undo().printable)")
        case "/reset", "/clear":
            conversation.replaceMessages(conversation.messages.filter { $0.role == "system" })
            printLine("a new conversation")
        case "/save": try save(argument)
        case "/load": try load(argument)
        case "/stats": printStatistics()
        default:
            throw TillerError.invalidOption(
                "unknown command \(parts[0]); /help lists all commands, and a message that begins with / is written "
                    + "with // or after a space")
        }
        return true
    }

    private func printHelp() {
        for (usage, meaning) in Self.help { printLine("\(usage.padded(to: 14)) \(meaning)") }
        printLine(
            "\("//TEXT".padded(to: 14)) a message that begins with a slash; a leading space does the same")
    }

    // MARK: - Steering

    private func steer(_ argument: String) throws(TillerError) {
        let session = conversation.session
        if argument == "off" {
            try session.steer([])
        } else if !argument.isEmpty {
            try session.steer(selection(argument))
        }
        if session.steering.isEmpty {
            let names = session.engine.labelledProfileNames
            printLine("no steering; profiles: \(names.isEmpty ? "none" : names.joined(separator: ", "))")
        } else {
            printLine("steering: \(try describe(session.steering))")
        }
    }

    private func selection(_ argument: String) throws(TillerError) -> [AppliedProfile] {
        var selection: [AppliedProfile] = []
        for word in argument.split(separator: " ") {
            selection.append(try AppliedProfile(parsing: String(word)))
        }
        return selection
    }

    private func describe(_ steering: [AppliedProfile]) throws(TillerError) -> String {
        var texts: [String] = []
        for steer in steering {
            let profile = try conversation.session.engine.profile(named: steer.name)
            let strength = steer.strength ?? profile.recommendedStrength
            let warning = profile.warning(about: strength).map { Style.yellow(" (\($0))") }
            texts.append("\(steer.name)=\(strength)\(warning ?? "")")
        }
        return texts.joined(separator: " ")
    }

    private func compare(_ argument: String) throws {
        let steering = argument.isEmpty ? conversation.session.steering : try selection(argument)
        guard !steering.isEmpty else {
            throw TillerError.invalidOption("no profile is in use; /steer NAME first, or /compare NAME")
        }
        let title = try describe(steering)
        let comparison = try conversation.compare(with: steering)
        printLine(
            SideBySide.render(
                left: comparison.plain.printable, right: comparison.steered.printable,
                titles: ("plain", title), width: TerminalSize.columns))
        printLine(Style.dim(comparison.summary))
    }

    // MARK: - Files

    private func save(_ argument: String) throws(TillerError) {
        guard !argument.isEmpty else { throw .invalidOption("/save needs a file name") }
        let path = argument.withHomeFolder
        // /save overwrites only its own files, since its argument is typed in passing.
        if access(path, F_OK) == 0, (try? Self.readMessages(path)) == nil {
            throw .invalidFile("\(path) exists and is not a saved conversation; choose another name")
        }
        let messages = conversation.messages
        let text = Message.json(messages).serialized(pretty: true) + "\n"
        do { try AtomicFileWriter.write(Array(text.utf8), to: path, replaceExisting: true) } catch {
            throw .invalidFile("\(error)")
        }
        printLine("saved \(messages.count) message\(messages.count == 1 ? "" : "s") to \(path.printableLine)")
    }

    private func load(_ argument: String) throws(TillerError) {
        guard !argument.isEmpty else { throw .invalidOption("/load needs a file name") }
        let messages = try Self.readMessages(argument.withHomeFolder)
        conversation.replaceMessages(messages)
        printLine("loaded \(messages.count) message\(messages.count == 1 ? "" : "s")")
    }

    private static func readMessages(_ path: String) throws(TillerError) -> [Message] {
        let bytes: [UInt8]
        do { bytes = try readFile(path: path, limit: TextLimit.rows) } catch {
            throw .invalidFile("\(error)")
        }
        let parsed: JSON
        do { parsed = try JSON.parse(bytes) } catch { throw .invalidFile("\(path): \(error)") }
        let messages = try Message.list(in: parsed, of: path)
        guard !messages.isEmpty else { throw .invalidFile("\(path) holds no messages") }
        return messages
    }

    private func printStatistics() {
        let turn = conversation.statistics
        let session = conversation.session
        func speed(_ count: Int, _ seconds: Double) -> String {
            guard seconds > 0, count > 0 else { return "" }
            return ", \(formatted(Double(count) / seconds, digits: 1)) tokens/s"
        }
        printLine(
            "prompt     \(turn.promptTokens) new tokens\(speed(turn.promptTokens, turn.promptSeconds))"
        )
        printLine(
            "answer     \(turn.generatedTokens) tokens\(speed(turn.generatedTokens, turn.generatedSeconds))"
        )
        printLine("context    \(session.tokens.count) of \(session.contextLength) tokens")
        printLine("memory     \(formatted(bytes: ProcessMemory.residentByteCount())) resident")
    }
}

extension String {
    /// Expands "~/" at the start, which a shell would do on its command line.
    fileprivate var withHomeFolder: String {
        guard hasPrefix("~/"), let home = getenv("HOME") else { return self }
        return String(cString: home) + dropFirst()
    }
}
