// SPDX-License-Identifier: Apache-2.0
// An option and the place of its value. The commands are tables of these: both programs read their arguments by them, and
// show them as help, completions and man pages, so that nothing of an option stands in a second place.

/// What options fill; without any it is what holds unless they are given.
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
    /// Stores the values that were given: none for a flag, else one or more.
    let store: @Sendable (_ values: [String], _ target: inout Target) throws -> Void

    init(
        _ declaration: OptionDeclaration, store: @escaping @Sendable ([String], inout Target) throws -> Void
    ) {
        self.declaration = declaration
        self.store = store
    }

    /// The same option of something larger.
    func within<Whole>(_ place: CommandOption<Whole>.Place<Target>) -> CommandOption<Whole> {
        CommandOption<Whole>(declaration) { try store($0, &$1[keyPath: place]) }
    }
}

extension CommandOption {
    static func flag(_ name: String, _ help: String, _ place: Place<Bool>) -> Self {
        Self(OptionDeclaration(name: name, kind: .flag, help: help)) { $1[keyPath: place] = true }
    }

    static func file(_ place: Place<String>) -> Self {
        single(OptionDeclaration(name: "file", kind: .file, help: fileHelp, isRequired: true)) {
            $1[keyPath: place] = $0
        }
    }

    static func file(_ place: Place<String?>) -> Self {
        single(OptionDeclaration(name: "file", kind: .file, help: fileHelp)) { $1[keyPath: place] = $0 }
    }

    private static var fileHelp: String { "The model, a .tiller file." }

    /// An option that must be given, or whose usual value is what the target holds at first.
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

    /// An option that need not be given.
    static func value<Value: LosslessStringConvertible & Sendable>(
        _ name: String, _ valueName: String, _ help: String, _ place: Place<Value?>,
        kind: OptionDeclaration.Kind = .text, choices: [String] = []
    ) -> Self {
        single(
            OptionDeclaration(name: name, kind: kind, valueName: valueName, help: help, choices: choices)
        ) { $1[keyPath: place] = $0 }
    }

    /// An option that can be given several times.
    static func several(
        _ name: String, _ valueName: String, _ help: String, kind: OptionDeclaration.Kind = .text,
        store: @escaping @Sendable ([String], inout Target) throws -> Void
    ) -> Self {
        Self(
            OptionDeclaration(name: name, kind: kind, valueName: valueName, help: help, takesSeveral: true),
            store: store)
    }

    /// An option whose last value counts.
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
