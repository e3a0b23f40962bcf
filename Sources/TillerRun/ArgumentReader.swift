// SPDX-License-Identifier: Apache-2.0
// Words of a command line to options and files, by the rules that `tiller` follows: an option's value is the next
// word, whatever it begins with, or stands behind "="; "--" ends the options.

import Commands
import Tiller

/// What a command line gave.
struct GivenArguments {
    /// The command as it was called, for errors.
    let name: String
    /// The model behind this program.
    let bundle: OwnBundle?
    fileprivate(set) var files: [String] = []
    fileprivate(set) var values: [String: [String]] = [:]
    fileprivate(set) var wantsHelp = false
    fileprivate(set) var wantsVersion = false

    /// The model's file.
    ///
    /// - Throws: `TillerError.invalidOption` where none was named.
    func file() throws(TillerError) -> String {
        guard let file = bundle.map({ text(.model) ?? $0.path }) ?? files.first else {
            throw usageError("missing expected argument '<file>'")
        }
        return file
    }

    func has(_ option: OptionDeclaration) -> Bool { values[option.name] != nil }

    /// The last value counts.
    func text(_ option: OptionDeclaration) -> String? { values[option.name]?.last }

    func texts(_ option: OptionDeclaration) -> [String] { values[option.name] ?? [] }

    /// - Throws: `TillerError.invalidOption` for text that is no such number.
    func number<Number: LosslessStringConvertible>(_ option: OptionDeclaration) throws(TillerError) -> Number?
    {
        guard let text = text(option) else { return nil }
        guard let number = Number(text) else { throw invalid(text, option) }
        return number
    }

    func invalid(_ value: String, _ option: OptionDeclaration) -> TillerError {
        let choices = option.choices.isEmpty ? "" : ", expected \(option.choices.joined(separator: ", "))"
        return usageError("the value '\(value)' is invalid for '\(option.label)'\(choices)")
    }

    func usageError(_ text: String) -> TillerError { .invalidOption("\(text); see '\(name) --help'") }
}

/// Reads the words behind a command's name.
struct ArgumentReader {
    let command: CommandDeclaration
    let name: String
    let bundle: OwnBundle?

    /// - Throws: `TillerError.invalidOption` that says which word was not expected, or is missing.
    func read(_ words: [String]) throws(TillerError) -> GivenArguments {
        var given = GivenArguments(name: name, bundle: bundle)
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" {
                given.files += rest
                break
            }
            guard word.hasPrefix("-"), word != "-" else {
                given.files.append(word)
                continue
            }
            switch word {
            case "--help", "-h":
                given.wantsHelp = true
                return given
            case "--version":
                given.wantsVersion = true
                return given
            default: try readOption(word, &rest, &given)
            }
        }
        if let file = given.files.dropFirst(bundle == nil ? 1 : 0).first {
            let hint = bundle == nil ? "" : ", this program has its model; --model takes another"
            throw given.usageError("unexpected argument '\(file)'\(hint)")
        }
        for option in options where option.isRequired && !given.has(option) {
            throw given.usageError("missing expected argument '\(option.label)'")
        }
        return given
    }

    private var options: [OptionDeclaration] { command.options + (bundle == nil ? [] : [.model]) }

    private func readOption(
        _ word: String, _ rest: inout ArraySlice<String>, _ given: inout GivenArguments
    ) throws(TillerError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        guard let option = options.first(where: { "--" + $0.name == parts[0] }) else {
            throw given.usageError("unknown option '\(parts[0])'")
        }
        guard option.valueName != nil else {
            guard parts.count == 1 else {
                throw given.usageError("the option '\(parts[0])' takes no value, found '\(parts[1])'")
            }
            given.values[option.name] = []
            return
        }
        guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
            throw given.usageError("missing value for '\(option.label)'")
        }
        guard option.choices.isEmpty || option.choices.contains(value) else {
            throw given.invalid(value, option)
        }
        given.values[option.name, default: []].append(value)
    }
}
