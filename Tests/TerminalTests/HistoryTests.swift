// SPDX-License-Identifier: Apache-2.0
// Entries come back as they were, in a private file that does not grow for ever.

import Glibc
import Platform
import Terminal
import Testing

@Suite struct HistoryTests {
    private final class File {
        let path: String
        init() {
            var template = Array("/tmp/tiller-history-XXXXXX".utf8CString)
            close(mkstemp(&template))
            path = String(decoding: template.dropLast().map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
            unlink(path)
        }
        deinit { unlink(path) }
    }
    private let file = File()

    @Test func entriesComeBack() throws {
        var history = History(path: file.path)
        let lines = ["one", "two\nlines", "back\\slash \\n", "日本\r", "one"]
        for line in lines { history.add(line) }
        #expect(history.entries == lines)
        #expect(History(path: file.path).entries == lines)
        var status = stat()
        try #require(stat(file.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func emptyLinesAndRepetitionsAreLeftOut() {
        var history = History()
        for line in ["", "  ", "a", "a", "b", "a"] { history.add(line) }
        #expect(history.entries == ["a", "b", "a"])
    }

    @Test func aThousandEntriesAreKept() throws {
        var history = History(path: file.path)
        for number in 0..<2_500 { history.add("line \(number)") }
        #expect(history.entries.count == 1000)
        let reread = History(path: file.path)
        #expect(reread.entries == (1_500..<2_500).map { "line \($0)" })
        let lines = try readFile(path: file.path, limit: 1 << 20).split(separator: UInt8(ascii: "\n"))
        #expect(lines.count == 1000)
        var status = stat()
        try #require(stat(file.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func aFileThatCannotBeUsedIsOfNoConsequence() {
        var history = History(path: "/nowhere/at/all")
        history.add("a")
        #expect(history.entries == ["a"])
    }
}
