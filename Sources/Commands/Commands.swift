// SPDX-License-Identifier: Apache-2.0
// The commands that run a model, with their options. `tiller` and `tiller-run` share them completely: options, texts,
// answers and exit codes.

import Formats

/// A command that both programs have, with its options as properties. `title` is the heading of its own options.
package protocol CommandRequest: OptionTarget {
    static var summary: CommandSummary { get }
    /// Its options under their titles, its own last.
    static var sections: [OptionSection<Self>] { get }
    /// Applies a bundle's settings where no option was given.
    mutating func adopt(_ settings: BundleSettings)
    /// Checks what single options cannot.
    ///
    /// - Throws: `UsageError`, or `TillerError` for a number out of its range.
    func check() throws
    /// Runs the command.
    ///
    /// - Parameter signatures: checks signatures; nil in a program that cannot.
    /// - Throws: `TillerError`, `FormatError`, or `Interruption`.
    func run(_ signatures: SignatureChecks?) throws
}

extension CommandRequest {
    package static var title: String { "Options" }
    package static var sections: [OptionSection<Self>] { [OptionSection()] }

    /// All its options under their titles.
    package static var declarations: [(title: String, options: [OptionDeclaration])] {
        sections.map { ($0.title, $0.options.map(\.declaration)) }
    }

    package func adopt(_ settings: BundleSettings) {}
    package func check() throws {}

    /// The command's usage line.
    ///
    /// - Parameter file: placeholder for the model's file; nil for the default one.
    package static func usage(_ name: String, file: String? = nil) -> String {
        let all = declarations.flatMap(\.options)
        let options = all.filter { $0.kind != .file }
        let isFileRequired = all.contains { $0.kind == .file && $0.isRequired }
        let file = file ?? (isFileRequired ? "<file>" : "[<file>]")
        // More than three options do not fit on a line.
        guard options.count < 4, isFileRequired else {
            return ([name, "[<options>]", file] + options.filter(\.isRequired).map(\.label))
                .joined(separator: " ")
        }
        return ([name, file] + options.map { $0.isRequired ? $0.label : "[\($0.label)]" })
            .joined(separator: " ")
    }
}

/// The text of a command's --help, apart from its options.
package struct CommandSummary: Sendable {
    package let name: String
    package let abstract: String
    package var discussion = ""
}

/// Options of a command under one title.
package struct OptionSection<Request: OptionTarget>: Sendable {
    package let title: String
    package let options: [CommandOption<Request>]
    /// The type that the options fill; it declares them.
    package let part: any OptionTarget.Type

    /// The command's own options.
    init() {
        title = Request.title
        options = Request.options
        part = Request.self
    }

    /// The options of a part of the request.
    init<Part>(_ place: CommandOption<Request>.Place<Part>) where Part: OptionTarget {
        title = Part.title
        options = Part.options.map { $0.within(place) }
        part = Part.self
    }
}

/// All shared commands.
package var sharedCommands: [any CommandRequest.Type] {
    [ChatRequest.self, GenerateRequest.self, InspectRequest.self, VerifyRequest.self, BenchRequest.self]
}
