// SPDX-License-Identifier: Apache-2.0
// An option and the property that holds its value. Commands are tables of options. Both programs parse arguments with
// these tables and generate help, completions and man pages from them, so each option is declared once.

/// A type whose properties hold option values; its initial values are the defaults.
package protocol OptionTarget: Sendable {
    /// The heading of its options in --help.
    static var title: String { get }
    static var options: [CommandOption<Self>] { get }
    init()
}

/// An option of a command, and how its values are stored.
package struct CommandOption<Target: OptionTarget>: Sendable {
    package typealias Place<Value> = WritableKeyPath<Target, Value> & Sendable

    package let declaration: OptionDeclaration
    /// Stores the given values: none for a flag, else one or more.
    let store: @Sendable (_ values: [String], _ target: inout Target) throws -> Void

    init(
        _ declaration: OptionDeclaration, store: @escaping @Sendable ([String], inout Target) throws -> Void
    ) {
        self.declaration = declaration
        self.store = store
    }

    /// The same option for a property of a larger type.
    func within<Whole>(_ place: CommandOption<Whole>.Place<Target>) -> CommandOption<Whole> {
        CommandOption<Whole>(declaration) { try store($0, &$1[keyPath: place]) }
    }
}

extension CommandOption {
    static func flag(_ name: String, _ help: String, _ place: Place<Bool>) -> Self {
        Self(OptionDeclaration(name: name, kind: .flag, help: help)) { $1[keyPath: place] = true }
    }

    static func file(_ place: Place<String>, help: String = fileHelp) -> Self {
        single(OptionDeclaration(name: "file", kind: .file, help: help, isRequired: true)) {
            $1[keyPath: place] = $0
        }
    }

    static func file(_ place: Place<String?>) -> Self {
        single(OptionDeclaration(name: "file", kind: .file, help: fileHelp)) { $1[keyPath: place] = $0 }
    }

    static var fileHelp: String {
        "The model: a .tiller file, or, for 'tiller', a GGUF file or model folder, which is converted once."
    }

    /// An option that is required, or whose default is the target's initial value.
    static func value<Value: LosslessStringConvertible & Sendable>(
        _ name: String, _ valueName: String, _ help: String, _ place: Place<Value>, isRequired: Bool = false
    ) -> Self {
        let usual = isRequired ? nil : "\(Target()[keyPath: place])"
        return single(
            OptionDeclaration(
                name: name, kind: .text, valueName: valueName, help: help, usualValue: usual,
                isRequired: isRequired)
        ) { $1[keyPath: place] = $0 }
    }

    /// An option that may be omitted; its property is then nil.
    static func value<Value: LosslessStringConvertible & Sendable>(
        _ name: String, _ valueName: String, _ help: String, _ place: Place<Value?>,
        kind: OptionDeclaration.Kind = .text, choices: [String] = []
    ) -> Self {
        single(
            OptionDeclaration(name: name, kind: kind, valueName: valueName, help: help, choices: choices)
        ) { $1[keyPath: place] = $0 }
    }

    /// An option that may be repeated.
    static func several(
        _ name: String, _ valueName: String, _ help: String, kind: OptionDeclaration.Kind = .text,
        store: @escaping @Sendable ([String], inout Target) throws -> Void
    ) -> Self {
        Self(
            OptionDeclaration(name: name, kind: kind, valueName: valueName, help: help, takesSeveral: true),
            store: store)
    }

    /// An option of which only the last value counts.
    private static func single<Value: LosslessStringConvertible & Sendable>(
        _ option: OptionDeclaration, store: @escaping @Sendable (Value, inout Target) -> Void
    ) -> Self {
        Self(option) { values, target in
            let text = values.last ?? ""
            guard let value = Value(text) else { throw option.invalid(text) }
            store(value, &target)
        }
    }
}
