// SPDX-License-Identifier: Apache-2.0
// A family of models is one file: nothing else in the sources knows it by name.

import Testing

@Suite struct FamilyFileTests {
    /// Tokenizers and chat templates have names of their own, some of them those of families.
    private static let others = ["Sources/Conversion/GGUF/TokenizerImport", "Sources/ChatTemplates/"]

    /// The names that a file's declarations give in quotation marks, and the types that it declares.
    private static func names(in file: ProjectFile) -> (quoted: Set<Substring>, types: Set<Substring>) {
        var quoted: Set<Substring> = [], types: Set<Substring> = []
        for (_, line) in file.lines {
            let words = line.split(separator: " ")
            if words.first == "enum", let type = words.dropFirst().first {
                types.insert(type.prefix { $0 != ":" })
            }
            guard
                ["static let name =", "static let architectures =", "static let modelTypes ="]
                    .contains(where: { line.contains($0) })
            else { continue }
            quoted.formUnion(
                line.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
                    .filter { $0.offset % 2 == 1 }.map(\.element))
        }
        return (quoted, types)
    }

    @Test func aFamilyIsNamedInOneFile() throws {
        let sources = try ProjectTree.files(under: "Sources", ".swift")
        let families = sources.filter { $0.path.hasPrefix("Sources/Models/Families/") }
        #expect(families.count >= 4)
        for family in families {
            let (quoted, types) = Self.names(in: family)
            #expect(!quoted.isEmpty && !types.isEmpty, "\(family.path)")
            #expect(family.text.contains("@section(\"tiller_families\") @used"), "\(family.path)")
            for source in sources where source.path != family.path {
                guard !Self.others.contains(where: { source.path.hasPrefix($0) }) else { continue }
                for (number, line) in source.lines where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                    let words = Set(line.split { !$0.isLetter && !$0.isNumber && $0 != "_" })
                    let isNamed =
                        quoted.contains { line.contains("\"\($0)\"") }
                        || !words.isDisjoint(with: types)
                            && !line.contains("\"")
                    #expect(!isNamed, "\(source.path):\(number) names what \(family.path) is about")
                }
            }
        }
    }
}
