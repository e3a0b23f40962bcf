// SPDX-License-Identifier: Apache-2.0
// What every file keeps to. Words that are searched for are written in two parts, so that this file is searched too.

import Testing

struct StyleTests {
    static let lengthThatNeedsAReason = 400
    static let lengthThatIsRefused = 700

    /// Files between the two lengths, and why they are not split.
    static let longFiles = [
        "Sources/KernelsAVX2/KernelsAVX2.swift": "what two files share would be emitted as weak symbols",
        "Tests/FormatsTests/TillerRuleTests.swift": "one broken file for each rule, in the order of the page",
    ]

    @Test func everySourceNamesItsLicence() throws {
        for file in try ProjectTree.sources() + ProjectTree.scripts()
            + ProjectTree.files(under: "tools", ".py")
        {
            // Behind "#!" or the tools version that SwiftPM wants first.
            let isNamed = file.lines.prefix(2).contains {
                $0.text.contains("SPDX-License-Identifier: Apache-2.0")
            }
            #expect(isNamed, "\(file.path) does not begin with an SPDX line")
        }
    }

    @Test func filesAreShort() throws {
        for file in try ProjectTree.sources() {
            let count = file.lines.count - 1
            #expect(count <= Self.lengthThatIsRefused, "\(file.path) has \(count) lines; split it")
            let isListed = Self.longFiles[file.path] != nil
            #expect(
                isListed == (count > Self.lengthThatNeedsAReason),
                "\(file.path) has \(count) lines; over \(Self.lengthThatNeedsAReason), and only then, longFiles says why"
            )
        }
        for file in try ProjectTree.scripts() where file.path != "tools/quickstart" {
            #expect(
                file.lines.count - 1 <= 100, "\(file.path) has \(file.lines.count - 1) lines; at most 100")
        }
    }

    @Test func nothingIsLeftForLater() throws {
        for file in try everything() {
            for word in ["TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK"] {
                for line in file.lines where line.text.contains(word) {
                    Issue.record("\(file.path):\(line.number) says \(word)")
                }
            }
        }
    }

    @Test func sourcesKnowNoMachine() throws {
        for file in try everything() {
            let folders =
                file.path.hasPrefix("Sources")
                ? ["/wo" + "rk/", "/ro" + "ot/", "/t" + "mp/"] : ["/wo" + "rk/", "/ro" + "ot/"]
            for line in file.lines {
                for folder in folders where line.text.contains(folder) {
                    Issue.record("\(file.path):\(line.number) names \(folder)")
                }
            }
        }
    }

    @Test func filesSayWhatIsAndNotHowItCameToBe() throws {
        let words = [
            "session of " + "work", "working " + "session", "issue " + "#", "pull request " + "#",

            "sub" + "agent", "work" + "tree",
        ]
        for file in try everything() {
            for line in file.lines {
                let text = line.text.lowercased()
                for word in words where text.contains(word) {
                    Issue.record("\(file.path):\(line.number) says “\(word)”")
                }
            }
        }
    }

    private func everything() throws -> [ProjectFile] {
        try ProjectTree.sources() + ProjectTree.scripts() + ProjectTree.documents()
            + ProjectTree.files(under: "tools", ".py")
    }
}
