// SPDX-License-Identifier: Apache-2.0
// Documents promise only what there is: commands, options, scripts, files, rules.

import Glibc
import TestSupport
import Testing

struct DocumentTests {
    /// A line of a document that runs `tiller`: its subcommand's words and its options.
    struct Command: Hashable, CustomStringConvertible {
        var subcommand: [String] = []
        var options: Set<String> = []
        var description: String { (["tiller"] + subcommand + options.sorted()).joined(separator: " ") }

        /// Commands inside of code blocks, and in backticks.
        static func all(in text: String) -> Set<Command> {
            var found: Set<Command> = []
            var isCode = false
            for line in text.split(separator: "\n") {
                if line.hasPrefix("```") { isCode.toggle() }
                let candidates =
                    isCode
                    ? [line[...]]
                    : line.split(separator: "`", omittingEmptySubsequences: false)
                        .enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
                for candidate in candidates where candidate.hasPrefix("tiller ") {
                    found.insert(Command(candidate.prefix { $0 != "#" }))
                }
            }
            return found
        }

        init(_ line: Substring) {
            let words = line.split(separator: " ").dropFirst()
            // A subcommand is a plain word; what comes behind the first file or option is not.
            subcommand = words.prefix { $0.allSatisfy { $0.isLetter && $0.isLowercase } }.map(String.init)
            options = Set(words.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0 != "=" }) })
        }
    }

    @Test func commandsOfTheDocumentsExist() throws {
        let tiller = "\(productFolder)/tiller"
        try #require(access(tiller, X_OK) == 0, "tests run beside the built executable")
        let commands = try ProjectTree.documents().reduce(into: Set()) {
            $0.formUnion(Command.all(in: $1.text))
        }
        #expect(commands.count >= 8)
        for command in commands {
            let name = command.subcommand.joined(separator: " ")
            let (status, help) = shell("'\(tiller)' \(name) --help")
            #expect(status == 0 && help.contains("USAGE: tiller \(name)"), "\(command): no such command")
            for option in command.options {
                #expect(help.contains(option), "\(command): \(name) has no \(option)")
            }
        }
    }

    @Test func scriptsExplainThemselves() throws {
        for file in try ProjectTree.scripts() where file.path != ".ci/run" {
            let (status, help) = shell("\(file.path) --help")
            // What env answers where there is no Python.
            if status == 127, file.text.hasPrefix("#!/usr/bin/env python3") { continue }
            let isHelp = help.lowercased().hasPrefix("usage: ") && help.contains(file.name)
            #expect(status == 0 && isHelp, "\(file.path) --help: \(status) \(help)")
            #expect(shell("\(file.path) --nonsense").status == 2, "\(file.path) accepts an unknown option")
        }
        // Python scripts need packages that few machines have.
        for file in try ProjectTree.files(under: "tools", ".py") where file.text.contains("__main__") {
            #expect(file.text.contains("ArgumentParser("), "\(file.path) has no --help")
        }
    }

    @Test func everyScriptStandsInTheGuide() throws {
        let guide = try ProjectFile("tools/README.md")
        for path in ProjectTree.paths(under: "tools")
        where !path.hasSuffix(".md") && !path.hasSuffix(".jsonl") {
            let name = path.split(separator: "/").last ?? ""
            #expect(
                guide.text.contains("`\(name)`") || guide.text.contains(path), "tools/README.md omits \(path)"
            )
        }
    }

    @Test func pathsInDocumentsExist() throws {
        for document in try ProjectTree.documents() {
            let folder = document.path.split(separator: "/").dropLast().joined(separator: "/")
            // DocC names its pictures without a suffix.
            for link in document.text.matches(of: #/\]\(([^)#:]+)(?:#[^)]*)?\)/#) where link.1.contains(".") {
                #expect(exists("\(folder)/\(link.1)"), "\(document.path) links to \(link.1)")
            }
            for path in document.text.matches(of: #/\btools\/[\w\/.-]*\w/#) {
                #expect(exists(String(path.0)), "\(document.path) mentions \(path.0)")
            }
        }
    }

    private func exists(_ path: String) -> Bool { access("\(packageRoot)/\(path)", F_OK) == 0 }

    // MARK: - Rules of formats

    @Test(arguments: [
        ("formats/tiller.md", "R", "Formats", #"static let (\w+) = Self\(tiller: NUMBER, "#),
        ("formats/gguf.md", "R", "Formats", #"static let (\w+) = Self\(gguf: NUMBER, "#),
        ("formats/safetensors.md", "R", "Formats", #"static let (\w+) = Self\(safetensors: NUMBER, "#),
        ("formats/activations.md", "R", "Formats", #"static let (\w+) = Self\(activations: NUMBER, "#),
        ("formats/bundle.md", "R", "Formats", #"static let (\w+) = Self\(bundle: NUMBER, "#),
        ("formats/signature.md", "R", "Formats", #"static let (\w+) = Self\(signature: NUMBER, "#),
        ("formats/session.md", "R", "Formats", #"static let (\w+) = Self\(session: NUMBER, "#),
        ("formats/tokenizer.md", "T", "Tokenization", #"case (\w+) = "TNUMBER""#),
    ])
    func everyRuleIsEnforcedAndTested(page: String, letter: String, module: String, declaration: String)
        throws
    {
        let numbers = try ProjectFile(page).text.matches(
            of: Regex("(?m)^\\| \(letter)(\\d+) \\|", as: (Substring, Substring).self)
        )
        .map(\.1)
        #expect(numbers.count > 6)
        let sources = try ProjectTree.files(under: "Sources", ".swift")
        let tests = try ProjectTree.files(under: "Tests", ".swift").map(\.text).joined()
        let declarations = sources.filter { $0.module == module }.map(\.text).joined()
        let enforcing = sources.filter { !$0.path.contains("FormatRule+") }.map(\.text).joined()
        for number in numbers.map(String.init) {
            let parts = declaration.split(separator: "NUMBER", omittingEmptySubsequences: false)
            let declared = try Regex(parts.joined(separator: number), as: (Substring, Substring).self)
            let found = declarations.firstMatch(of: declared)
            let name = try #require(found?.1, "\(page): \(letter)\(number) is not in \(module)")
            let use = try Regex("\\.\(name)\\b")
            #expect(enforcing.contains(use), "\(page): nothing enforces \(letter)\(number), \(name)")
            #expect(tests.contains(use), "\(page): no test breaks \(letter)\(number), \(name)")
        }
    }
}
