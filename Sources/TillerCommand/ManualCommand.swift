// SPDX-License-Identifier: Apache-2.0
// Generates man pages of all commands from their --help texts; tools/install installs them.

import ArgumentParser
import Commands
import JSON
import Platform
import Tiller

struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate-manual", abstract: "Write man pages for all commands.", shouldDisplay: false)

    @Argument(help: "The folder to write them to, which must exist.") var folder: String

    func run() throws {
        let description = try JSON.parse(Array(TillerCommand._dumpHelp().utf8))
        guard let root = description["command"] else {
            throw TillerError.invalidFile("the parser does not describe its commands")
        }
        for page in ManualPage.all(of: root, parents: []) + [ManualPage.runner] {
            try AtomicFileWriter.write(
                Array(page.text.utf8), to: "\(folder)/\(page.name).1", replaceExisting: true)
        }
    }
}

/// The man page of a command.
struct ManualPage {
    /// As in "tiller-profile-train".
    let name: String
    let text: String
}

extension ManualPage {
    /// The pages of a command and all its subcommands.
    ///
    /// - Parameter parents: the words before the command's own name.
    static func all(of command: JSON, parents: [String]) -> [ManualPage] {
        let words = parents + [command["commandName"]?.stringValue ?? ""]
        let subcommands = (command["subcommands"]?.arrayValue ?? []).filter {
            $0["shouldDisplay"]?.boolValue != false && $0["commandName"]?.stringValue != "help"
        }
        return [ManualPage(command, words: words, subcommands: subcommands)]
            + subcommands.flatMap { all(of: $0, parents: words) }
    }

    /// The page of the small program, whose commands the large one has too.
    static var runner: ManualPage {
        let list = sharedCommands.map { $0.summary }.flatMap {
            [".TP", "\\fB\($0.name)\\fR", $0.abstract.escaped]
        }
        let lines =
            [
                ".TH TILLER\\-RUN 1 \"\" \"tiller \(tillerVersion)\" \"Tiller\"", ".SH NAME",
                "tiller\\-run \\- Runs steerable language models from .tiller files.", ".SH SYNOPSIS",
                ".B tiller\\-run", "\\fIcommand\\fR \\fIfile\\fR …", ".SH DESCRIPTION",
                "One static file without dependencies. Its commands take the same options as those of \\fBtiller\\fR(1).",
                "\\fBtiller\\-bundle\\fR(1) appends a model to it, which makes one executable of both.",
                ".SH COMMANDS",
            ] + list + [".SH SEE ALSO", "\\fBtiller\\fR(1)"]
        return ManualPage(name: "tiller-run", text: lines.joined(separator: "\n") + "\n")
    }

    private init(_ command: JSON, words: [String], subcommands: [JSON]) {
        let name = words.joined(separator: "-")
        let abstract = command["abstract"]?.stringValue ?? ""
        let arguments = (command["arguments"]?.arrayValue ?? []).filter {
            $0["shouldDisplay"]?.boolValue != false
        }
        var lines = [
            ".TH \(name.uppercased().escaped) 1 \"\" \"tiller \(tillerVersion)\" \"Tiller\"", ".SH NAME",
            "\(name.escaped) \\- \(abstract.escaped)", ".SH SYNOPSIS",
            ".B \(words.joined(separator: " ").escaped)",
        ]
        lines += arguments.map(Self.synopsis)
        if !subcommands.isEmpty { lines.append("\\fIcommand\\fR …") }
        if let discussion = command["discussion"]?.stringValue, !discussion.isEmpty {
            lines.append(".SH DESCRIPTION")
            for paragraph in discussion.split(separator: "\n") {
                lines += [".PP", String(paragraph).escaped]
            }
        }
        var title = ""
        for argument in arguments.sorted(by: { Self.section($0) < Self.section($1) }) {
            if Self.section(argument) != title {
                title = Self.section(argument)
                lines.append(".SH \(title)")
            }
            lines += [".TP", Self.label(argument), Self.explanation(argument).escaped]
        }
        if !subcommands.isEmpty {
            lines.append(".SH COMMANDS")
            for subcommand in subcommands {
                let word = subcommand["commandName"]?.stringValue ?? ""
                lines += [
                    ".TP", "\\fB\(name.escaped)\\-\(word.escaped)\\fR(1)",
                    (subcommand["abstract"]?.stringValue ?? "").escaped,
                ]
            }
        }
        if words.count > 1 {
            lines += [".SH SEE ALSO", "\\fB\(words.dropLast().joined(separator: "-").escaped)\\fR(1)"]
        }
        self.init(name: name, text: lines.joined(separator: "\n") + "\n")
    }

    private static func section(_ argument: JSON) -> String {
        if argument["kind"]?.stringValue == "positional" { return "ARGUMENTS" }
        return argument["sectionTitle"]?.stringValue?.uppercased() ?? "OPTIONS"
    }

    private static func label(_ argument: JSON) -> String {
        let value = "\\fI\((argument["valueName"]?.stringValue ?? "").escaped)\\fR"
        if argument["kind"]?.stringValue == "positional" { return value }
        let names = (argument["names"]?.arrayValue ?? []).map { name in
            let dashes = name["kind"]?.stringValue == "short" ? "\\-" : "\\-\\-"
            return "\\fB\(dashes)\((name["name"]?.stringValue ?? "").escaped)\\fR"
        }
        let isFlag = argument["kind"]?.stringValue == "flag"
        return names.joined(separator: ", ") + (isFlag ? "" : " \(value)")
    }

    private static func synopsis(_ argument: JSON) -> String {
        argument["isOptional"]?.boolValue == true ? "[\(label(argument))]" : label(argument)
    }

    private static func explanation(_ argument: JSON) -> String {
        let text = argument["abstract"]?.stringValue ?? ""
        guard let usual = argument["defaultValue"]?.stringValue else { return text }
        return "\(text) (default: \(usual))"
    }
}

extension String {
    /// Escapes characters that are special in man pages.
    fileprivate var escaped: String {
        let text = split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
            .split(separator: "-", omittingEmptySubsequences: false).joined(separator: "\\-")
        return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
    }
}
