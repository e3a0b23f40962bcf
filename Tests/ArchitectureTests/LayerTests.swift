// SPDX-License-Identifier: Apache-2.0
// Modules are layers: Package.swift says which, and the imports of the sources say the same.

import Testing

struct LayerTests {
    /// Modules of the system that any target may import. Foundation is not among them: it would triple the executable.
    static let system: Set<String> = ["Glibc", "Synchronization", "Testing"]

    let targets: [ManifestTarget]

    init() throws { targets = ManifestTarget.all(in: try ProjectFile("Package.swift")) }

    /// The module of a line such as `public import struct Formats.Manifest`.
    static func importedModule(_ line: Substring) -> String? {
        guard line.first == "i" || line.first == "@" || line.first == "p" else { return nil }
        let words = line.prefix { $0 != ";" }.split(separator: " ")
        guard let position = words.firstIndex(of: "import"), position + 1 < words.count else { return nil }
        guard
            words[..<position].allSatisfy({
                $0.hasPrefix("@") || ["public", "package", "private"].contains($0)
            })
        else { return nil }
        let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        let path =
            kinds.contains(String(words[position + 1]))
            ? words.dropFirst(position + 2).first : words[position + 1]
        return path?.split(separator: ".").first.map(String.init)
    }

    private func imports(of target: ManifestTarget) throws -> [String: String] {
        var result: [String: String] = [:]
        for file in try ProjectTree.files(under: target.folder, ".swift") {
            for line in file.lines {
                if let module = Self.importedModule(line.text) {
                    result[module] = "\(file.path):\(line.number)"
                }
            }
        }
        return result
    }

    @Test func theManifestIsUnderstood() throws {
        #expect(targets.count > 20 && targets.contains { $0.isForInstructionSet })
        let folders = Set(try ProjectTree.sources().map { String($0.module) }.filter { !$0.isEmpty })
        #expect(folders == Set(targets.map(\.name)), "every folder is a target, every target a folder")
    }

    @Test func aTargetDependsOnlyOnTargetsAboveIt() {
        var above: Set<String> = []
        for target in targets {
            for name in target.dependencies {
                #expect(
                    above.contains(name),
                    "Package.swift: \(target.name) depends on \(name), which is not above it")
            }
            above.insert(target.name)
        }
    }

    @Test func sourcesImportWhatTheManifestDeclares() throws {
        for target in targets where target.kind != .systemLibrary {
            let found = try imports(of: target)
            let products: Set =
                target.kind == .executableTarget
                ? ["ArgumentParser"] : target.name == "Signing" ? ["Crypto"] : []
            for (module, place) in found where !Self.system.union(products).contains(module) {
                #expect(
                    target.dependencies.contains(module),
                    "\(place) imports \(module); Package.swift does not list it for \(target.name)")
            }
            for name in target.dependencies where target.kind != .testTarget {
                #expect(
                    found[name] != nil,
                    "Package.swift lists \(name) for \(target.name), which never imports it")
            }
        }
    }

    @Test func unsafeFlagsAreForInstructionSetsAndLinkingOnly() throws {
        #expect(
            Set(targets.filter(\.isForInstructionSet).map(\.name))
                == [
                    "KernelsPortable", "KernelsAVX2", "KernelsAVX512", "KernelsNEON", "KernelsNEONDotProduct",
                    "KernelsNEONMatrixProduct",
                ])
        // What follows these is for sanitizers.
        let manifest = try ProjectFile("Package.swift").text.split(separator: "TILLER_TESTS")[0]
        let uses = manifest.split(separator: "unsafeFlags").count - 1
        #expect(
            uses == 3,
            "unsafe flags: in instructionSetFlags, for sections of functions, and for linking programs")
    }

    @Test(arguments: [
        ("import Formats", "Formats"), ("package import struct Formats.Manifest", "Formats"),
        ("@preconcurrency import Foundation", "Foundation"), ("// import Formats", nil),
        ("public func imports() {}", nil),
    ])
    func importsAreFound(line: String, module: String?) {
        #expect(Self.importedModule(Substring(line)) == module)
    }
}
