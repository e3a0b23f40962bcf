// SPDX-License-Identifier: Apache-2.0
// Turns the words of a command line into a request. An option's value is the next word or follows "="; "--" ends the options.

import Formats
import Tiller

/// What a command line requests.
package enum Reading {
    case request(any CommandRequest)
    case help
    case version
}

extension OptionDeclaration {
    /// The option that replaces the file argument in bundles.
    package static let model = Self(
        name: "model", kind: .text, valueName: "file", help: "A model in place of this program's own.")
}

extension CommandRequest {
    /// Reads the words after a command's name.
    ///
    /// - Parameters:
    ///   - name: the program and the command as the user typed them, for errors.
    ///   - bundle: the model that is appended to this program.
    ///   - modelFile: gives the file to open for the one that is named, after everything else has been checked.
    /// - Throws: `TillerError.invalidOption` that names the unexpected or missing word, or errors of `modelFile`.
    package static func read(
        _ words: [String], name: String, bundle: OwnBundle?, modelFile: (String) throws -> String = { $0 }
    ) throws -> Reading {
        do { return try reading(words, bundle, modelFile) } catch let error as UsageError {
            let text = error.text + (error.text.hasSuffix("?") ? "" : ";")
            throw TillerError.invalidOption("\(text) see '\(name) --help'")
        }
    }

    private static func reading(
        _ words: [String], _ bundle: OwnBundle?, _ modelFile: (String) throws -> String
    ) throws -> Reading {
        let options = sections.flatMap(\.options)
        var reader = ArgumentReader(
            options: options.map(\.declaration) + (bundle == nil ? [] : [.model]), hasOwnModel: bundle != nil)
        if let asked = try reader.read(words) { return asked }
        var request = Self()
        let settings = bundle.map { reader.takeChoices(of: $0) }
        for option in options {
            if let values = reader.values[option.declaration.name] {
                try option.store(values, &request)
            } else if option.declaration.isRequired {
                throw UsageError("missing expected argument '\(option.declaration.label)'")
            }
        }
        if let settings { request.adopt(settings) }
        try request.check()
        for option in options where option.declaration.kind == .file {
            guard let file = reader.values[option.declaration.name]?.last else { continue }
            try option.store([modelFile(file)], &request)
        }
        return .request(request)
    }
}

/// Collects values by option name.
private struct ArgumentReader {
    let options: [OptionDeclaration]
    /// Whether the program contains a model, so that no file is expected.
    let hasOwnModel: Bool
    var values: [String: [String]] = [:]

    /// Reads all words; returns a request other than the command, such as help, if there is one.
    mutating func read(_ words: [String]) throws(UsageError) -> Reading? {
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h": return .help
            case "--version": return .version
            case "--":
                for file in rest { try take(file: file) }
                return nil
            default:
                if word.hasPrefix("-"), word != "-" {
                    try readOption(word, &rest)
                } else {
                    try take(file: word)
                }
            }
        }
        return nil
    }

    /// A bundle's settings, unless options override them; `--steer off` means no steering.
    mutating func takeChoices(of bundle: OwnBundle) -> BundleSettings {
        var settings = bundle.settings
        // A bundle's profiles belong to its own model.
        if values["steer"] != nil || values[OptionDeclaration.model.name] != nil { settings.steering = [] }
        if values["steer"] == ["off"] { values["steer"] = nil }
        values["file"] = values[OptionDeclaration.model.name] ?? [bundle.path]
        return settings
    }

    private mutating func take(file: String) throws(UsageError) {
        guard !hasOwnModel, values["file"] == nil else {
            let hint = hasOwnModel ? ", this program contains its model; --model takes another" : ""
            throw UsageError("unexpected argument '\(file)'\(hint)")
        }
        values["file"] = [file]
    }

    private mutating func readOption(
        _ word: String, _ rest: inout ArraySlice<String>
    ) throws(UsageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        guard let option = options.first(where: { $0.kind != .file && "--" + $0.name == parts[0] }) else {
            throw UsageError("unknown option '\(parts[0])'" + suggestion(for: parts[0]))
        }
        guard option.kind != .flag else {
            guard parts.count == 1 else {
                throw UsageError("the option '\(parts[0])' takes no value, found '\(parts[1])'")
            }
            values[option.name] = []
            return
        }
        let isNextTaken = option.kind == .text || rest.first?.hasPrefix("-") == false
        guard let value = parts.count == 2 ? parts[1] : isNextTaken ? rest.popFirst() : nil else {
            throw UsageError("missing value for '\(option.label)'")
        }
        guard option.choices.isEmpty || option.choices.contains(value) else { throw option.invalid(value) }
        values[option.name, default: []].append(value)
    }

    /// The option that was probably meant.
    private func suggestion(for word: String) -> String {
        let names = options.filter { $0.kind != .file }.map { "--" + $0.name }
        let nearest = names.min { editDistance(word, $0) < editDistance(word, $1) }
        guard let nearest, editDistance(word, nearest) < 3 else { return "" }
        return ". Did you mean '\(nearest)'?"
    }
}

/// The number of letters to insert, delete or replace (Levenshtein distance).
private func editDistance(_ one: String, _ other: String) -> Int {
    var row = Array(0...other.utf8.count)
    for (index, letter) in one.utf8.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for (column, otherLetter) in other.utf8.enumerated() {
            let replaced = diagonal + (letter == otherLetter ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
        }
    }
    return row[other.utf8.count]
}
