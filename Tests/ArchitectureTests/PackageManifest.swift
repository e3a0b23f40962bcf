// SPDX-License-Identifier: Apache-2.0
// Package.swift as data: its targets in order, what they depend on and how they are compiled.

/// A target of Package.swift.
struct ManifestTarget {
    enum Kind: String, CaseIterable {
        case systemLibrary, target, executableTarget, testTarget
    }

    let kind: Kind
    let name: String
    let dependencies: [String]
    /// Where its sources are.
    let folder: String
    /// Whether it is compiled for an instruction set, with unsafe flags.
    let isForInstructionSet: Bool

    /// Targets in the order of the manifest.
    static func all(in manifest: ProjectFile) -> [ManifestTarget] {
        let code = manifest.lines.filter { !$0.text.drop { $0 == " " }.hasPrefix("//") }
            .map(\.text).joined(separator: "\n")
        guard let list = code.range(between: "    targets: [", and: "\n    ]") else { return [] }
        return list.split(separator: "\n        .").compactMap(ManifestTarget.init(declaration:))
    }

    /// Reads `target(name: "X", dependencies: [...], swiftSettings: ...)`.
    private init?(declaration: Substring) {
        guard let kind = Kind.allCases.first(where: { declaration.hasPrefix($0.rawValue + "(") }),
            let name = declaration.range(between: "name: \"", and: "\"")
        else { return nil }
        self.kind = kind
        self.name = String(name)
        let dependencies = declaration.range(between: "dependencies: [", and: "]") ?? ""
        // In .product(name: "A", package: "b") the product's name is what is imported.
        self.dependencies = dependencies.split(separator: ",")
            .filter { !$0.contains(".product(") && !$0.contains("package:") }
            .compactMap { $0.range(between: "\"", and: "\"").map(String.init) }
        let usual = "\(kind == .testTarget ? "Tests" : "Sources")/\(name)"
        folder = declaration.range(between: "path: \"", and: "\"").map(String.init) ?? usual
        isForInstructionSet = declaration.contains("instructionSetFlags(")
    }
}

extension StringProtocol {
    /// What stands between the first occurrence of one text and the next of another.
    func range(between start: String, and end: String) -> Substring? {
        let text = Substring(self)
        guard let first = text.firstRange(of: start) else { return nil }
        let rest = text[first.upperBound...]
        guard let last = rest.firstRange(of: end) else { return nil }
        return rest[..<last.lowerBound]
    }
}
