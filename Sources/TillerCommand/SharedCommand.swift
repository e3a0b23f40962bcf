// SPDX-License-Identifier: Apache-2.0
// Declares the commands that `tiller-run` has too for the argument parser, which shows them in help, completions and man
// pages. Their arguments are parsed without it: that takes 3 ms less and keeps the rules of both programs the same.

import ArgumentParser
import Commands
import Tiller

/// Arguments from a table. The parser finds wrapped properties by reflection, so a custom mirror can provide them.
protocol TableArguments: ParsableArguments, CustomReflectable {
    /// Properties by name, each one of the parser's wrappers.
    static var properties: [(label: String?, value: Any)] { get }
}

extension TableArguments {
    var customMirror: Mirror { Mirror(self, children: Self.properties) }

    /// Only accesses the container, as the parser's own checks require: other code parses the values.
    init(from decoder: any Decoder) throws {
        _ = try decoder.container(keyedBy: OptionName.self)
        self.init()
    }
}

/// The name of any option.
private struct OptionName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// A shared command for the parser.
struct SharedCommand<Request: CommandRequest>: ParsableCommand, TableArguments {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Request.summary.name, abstract: Request.summary.abstract,
            usage: Request.usage("tiller \(Request.summary.name)"), discussion: Request.summary.discussion,
            version: tillerVersion)
    }

    static var properties: [(label: String?, value: Any)] {
        var properties = own(Request.self)
        for section in Request.sections where section.part != Request.self {
            properties.append(titled(section.part))
        }
        return properties
    }

    private static func titled<Part: OptionTarget>(_ part: Part.Type) -> (label: String?, value: Any) {
        (Part.title, OptionGroup<TitledOptions<Part>>(title: Part.title))
    }
}

/// The options of a part of a command.
private struct TitledOptions<Part: OptionTarget>: TableArguments {
    static var properties: [(label: String?, value: Any)] { own(Part.self) }
}

private func own<Target: OptionTarget>(_ target: Target.Type) -> [(label: String?, value: Any)] {
    Target.options.map { ($0.declaration.name, $0.declaration.property) }
}

extension OptionDeclaration {
    /// The option as a property for the parser.
    fileprivate var property: Any {
        let help = ArgumentHelp("\(explanation)", valueName: valueName)
        let name = NameSpecification.customLong(name)
        switch kind {
        case .file: return isRequired ? Argument<String>(help: help) : Argument<String?>(help: help)
        case .flag: return Flag(wrappedValue: false, name: name, help: help)
        case .text, .word:
            let completion = choices.isEmpty ? nil : CompletionKind.list(choices)
            if takesSeveral { return Option<[String]>(wrappedValue: [], name: name, help: help) }
            if isRequired { return Option<String>(name: name, help: help) }
            guard let usualValue else {
                return Option<String?>(name: name, help: help, completion: completion)
            }
            return Option(wrappedValue: usualValue, name: name, help: help)
        }
    }
}
