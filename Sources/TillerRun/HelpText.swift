// SPDX-License-Identifier: Apache-2.0
// What --help prints, in the form of `tiller`'s.

import Commands

enum HelpText {
    /// Columns before an option's explanation, and of the whole text.
    private static let labelWidth = 26
    private static let width = 80

    static func program(_ name: String, isBundle: Bool) -> String {
        let (overview, discussion) =
            isBundle
            ? ("A steerable language model and all that runs it.", "Without a subcommand: a chat.")
            : (
                "Runs steerable language models from .tiller files.",
                "Needs nothing but itself. 'tiller' has the same commands and more: it makes the files."
            )
        var lines = [
            "OVERVIEW: \(overview)", "", discussion, "",
            "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated.", "",
            "USAGE: \(name) <subcommand>", "", "OPTIONS:",
        ]
        lines += line("--version", "Show the version.") + line("-h, --help", "Show help information.")
        lines += ["", "SUBCOMMANDS:"]
        for command in CommandDeclaration.all { lines += line(command.text.name, command.text.abstract) }
        lines += ["", "  See '\(name) <subcommand> --help' for detailed help."]
        return lines.joined(separator: "\n")
    }

    static func command(_ command: CommandDeclaration, name: String, isBundle: Bool) -> String {
        var lines = wrapped("OVERVIEW: " + command.text.abstract, width)
        if !command.text.discussion.isEmpty { lines += [""] + wrapped(command.text.discussion, width) }
        lines += [""] + wrapped("USAGE: " + usage(command, name: name, isBundle: isBundle), width)
        if !isBundle { lines += ["", "ARGUMENTS:"] + line("<file>", OptionDeclaration.file.help) }
        for group in command.groups {
            lines += ["", group.title + ":"]
            for option in group.options { lines += line(option.label, option.explanation) }
            if group.title == "OPTIONS" {
                if isBundle { lines += line(OptionDeclaration.model.label, OptionDeclaration.model.help) }
                lines += line("--version", "Show the version.")
                lines += line("-h, --help", "Show help information.")
            }
        }
        return lines.joined(separator: "\n")
    }

    private static func usage(_ command: CommandDeclaration, name: String, isBundle: Bool) -> String {
        let file = isBundle ? "[--model <file>]" : command.needsFile ? "<file>" : "[<file>]"
        // More than three do not fit into a line.
        guard command.options.count < 4, command.needsFile else {
            let required = command.options.filter(\.isRequired).map(\.label)
            return ([name, "[<options>]", file] + required).joined(separator: " ")
        }
        let options = command.options.map { $0.isRequired ? $0.label : "[\($0.label)]" }
        return ([name, file] + options).joined(separator: " ")
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

extension OptionDeclaration {
    /// As in "--threads <n>".
    var label: String { "--\(name)" + (valueName.map { " <\($0)>" } ?? "") }

    fileprivate var explanation: String {
        var notes: [String] = []
        if !choices.isEmpty { notes.append("values: \(choices.joined(separator: ", "))") }
        if let usualValue { notes.append("default: \(usualValue)") }
        return help + (notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))")
    }
}
