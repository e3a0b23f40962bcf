// SPDX-License-Identifier: Apache-2.0
// Prints --help in the form of `tiller`'s.

import Commands

enum HelpText {
    /// Column of an option's explanation, and columns of the whole text.
    private static let labelWidth = 26
    private static let width = 80

    static func program(_ name: String, isBundle: Bool) -> String {
        let (overview, discussion) =
            isBundle
            ? ("A steerable language model and the program that runs it.", "Without a subcommand: a chat.")
            : (
                "Runs steerable language models from .tiller files.",
                "Has no dependencies. 'tiller' has the same commands and more: it makes the files."
            )
        var lines = [
            "OVERVIEW: \(overview)", "", discussion, "",
            "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated.", "",
            "USAGE: \(name) <subcommand>", "", "OPTIONS:",
        ]
        lines += line("--version", "Show the version.") + line("-h, --help", "Show help information.")
        lines += ["", "SUBCOMMANDS:"]
        for command in sharedCommands { lines += line(command.summary.name, command.summary.abstract) }
        lines += ["", "  See '\(name) <subcommand> --help' for detailed help."]
        return lines.joined(separator: "\n")
    }

    static func command(_ command: any CommandRequest.Type, name: String, isBundle: Bool) -> String {
        var lines = wrapped("OVERVIEW: " + command.summary.abstract, width)
        if !command.summary.discussion.isEmpty { lines += [""] + wrapped(command.summary.discussion, width) }
        let usage = command.usage(name, file: isBundle ? "[--model <file>]" : nil)
        lines += [""] + wrapped("USAGE: " + usage, width)
        let sections = command.declarations
        for file in sections.flatMap(\.options) where file.kind == .file && !isBundle {
            lines += ["", "ARGUMENTS:"] + line(file.label, file.help)
        }
        for section in sections {
            lines += ["", section.title.uppercased() + ":"]
            for option in section.options where option.kind != .file {
                let usual = option.usualValue.map { " (default: \($0))" } ?? ""
                lines += line(option.label, option.explanation + usual)
            }
        }
        if isBundle { lines += line(OptionDeclaration.model.label, OptionDeclaration.model.help) }
        lines += line("--version", "Show the version.")
        lines += line("-h, --help", "Show help information.")
        return lines.joined(separator: "\n")
    }

    private static func line(_ label: String, _ text: String) -> [String] {
        let texts = wrapped(text, width - labelWidth)
        let start = "  " + label
        let indent = String(repeating: " ", count: labelWidth)
        guard start.count < labelWidth, let first = texts.first else {
            return [start] + texts.map { indent + $0 }
        }
        return [start.padded(to: labelWidth) + first] + texts.dropFirst().map { indent + $0 }
    }

    private static func wrapped(_ text: String, _ width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
