// SPDX-License-Identifier: Apache-2.0
// The commands that run a model: what each can be asked for, and what it does then. `tiller` and `tiller-run` share them
// whole, with their options, every text, every answer and every exit code.

import Formats

/// A command that both programs have, as something to ask for. `title` heads the options that it has for itself.
package protocol CommandRequest: OptionTarget {
    static var summary: CommandSummary { get }
    /// Its options under their titles, its own at the end.
    static var sections: [OptionSection<Self>] { get }
    /// Takes what a bundle was made with where nothing else was asked for.
    mutating func adopt(_ settings: BundleSettings)
    /// Refuses what options of their own do not show to be wrong.
    ///
    /// - Throws: `UsageError`, or `TillerError` for a number out of its range.
    func check() throws
    /// Does it.
    ///
    /// - Parameter signatures: what checks signatures; nil where the program cannot.
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

    /// How the command is called.
    ///
    /// - Parameter file: what stands for the model's file; nil for the file itself.
    package static func usage(_ name: String, file: String? = nil) -> String {
        let all = declarations.flatMap(\.options)
        let options = all.filter { $0.kind != .file }
        let isFileRequired = all.contains { $0.kind == .file && $0.isRequired }
        let file = file ?? (isFileRequired ? "<file>" : "[<file>]")
        // More than three do not fit into a line.
        guard options.count < 4, isFileRequired else {
            return ([name, "[<options>]", file] + options.filter(\.isRequired).map(\.label))
                .joined(separator: " ")
        }
        return ([name, file] + options.map { $0.isRequired ? $0.label : "[\($0.label)]" })
            .joined(separator: " ")
    }
}

/// What --help says of a command, apart from its options.
package struct CommandSummary: Sendable {
    package let name: String
    package let abstract: String
    package var discussion = ""
}

/// Options of a command under one title.
package struct OptionSection<Request: OptionTarget>: Sendable {
    package let title: String
    package let options: [CommandOption<Request>]
    /// What the options fill; they stand there.
    package let part: any OptionTarget.Type

    /// The options that a command has for itself.
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

/// Every shared command.
package var sharedCommands: [any CommandRequest.Type] {
    [ChatRequest.self, GenerateRequest.self, InspectRequest.self, VerifyRequest.self, BenchRequest.self]
}
