// SPDX-License-Identifier: Apache-2.0
// Every step of a tokenizer.json: ids and text as the library `tokenizers` makes them (tools/golden/tokenizer_rules.py).

import Conversion
import Formats
import Glibc
import JSON
import TestSupport
import Testing
import Tokenization

/// A line of rules.jsonl: a tokenizer, and cases.
private struct Rules {
    let row: JSON
    var cases: [JSON] { row["cases"]?.arrayValue ?? [] }

    /// The lines of a file.
    static func all(in path: String) throws -> [Rules] {
        try FolderCopy.bytes(at: path).split(separator: 0x0A).map { Rules(row: try JSON.parse(Array($0))) }
    }

    /// A folder's tokenizer.json with the first ids of its vocabulary and the members that the line sets.
    private func tokenizerFile(_ folder: FolderCopy) throws -> JSON {
        var file = try #require(JSON.parse(folder.bytes(of: "tokenizer.json")).objectValue)
        var model = try #require(file["model"]?.objectValue)
        let keep = try #require(row["keep"]?.intValue)
        var vocab = JSON.Object()
        for member in model["vocab"]?.objectValue ?? JSON.Object() {
            if let id = member.value.intValue, id < keep { vocab[member.key] = member.value }
        }
        let merges = (model["merges"]?.arrayValue ?? []).filter { pair in
            guard let left = pair[0]?.stringValue, let right = pair[1]?.stringValue else { return false }
            return [left, right, left + right].allSatisfy(vocab.contains)
        }
        model["vocab"] = .object(vocab)
        model["merges"] = .array(merges)
        for member in row["model"]?.objectValue ?? JSON.Object() { model[member.key] = member.value }
        file["model"] = .object(model)
        for member in row["set"]?.objectValue ?? JSON.Object() { file[member.key] = member.value }
        return .object(file)
    }

    /// The section that conversion makes of it.
    func section() throws -> ByteView {
        let folder = FolderCopy(try #require(row["base"]?.stringValue))
        folder.write(try tokenizerFile(folder).serializedBytes(), to: "tokenizer.json")
        return ByteView(copying: try #require(try ModelSource(path: folder.path).tokenizer))
    }

    /// Compares every case; the first differences are reported.
    func compare(_ place: String) throws {
        let section = try section()
        let tokenizer = try Tokenizer(bytes: section.bytes, owner: section.owner)
        var differenceCount = 0
        for row in cases {
            let text = row["text"]?.stringValue ?? ""
            let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: true)
            let decoded = tokenizer.decodeText(row.ids, skipSpecial: false)
            let expected = row["decoded"]?.stringValue ?? decoded
            guard ids != row.ids || !decoded.utf8.elementsEqual(expected.utf8) else { continue }
            differenceCount += 1
            if differenceCount > 3 { continue }
            Issue.record(
                "\(place), \(text.debugDescription): \(ids) \(decoded.debugDescription), expected \(row.ids) \(expected.debugDescription)"
            )
        }
        #expect(differenceCount == 0, "\(place): of \(cases.count)")
    }
}

@Test func everyStepIsObeyed() throws {
    let lines = try Rules.all(in: packageRoot + "/Tests/Fixtures/tokenizer/rules.jsonl")
    #expect(lines.count > 100)
    for (number, rules) in lines.enumerated() { try rules.compare("line \(number + 1)") }
}

/// Configurations of random steps, where tools/golden/tokenizer_rules.py wrote them.
@Test func idsAreThoseOfRandomRules() throws {
    guard let folder = getenv("TILLER_TOKENIZER_CASES").map({ String(cString: $0) }) else {
        print("skipped: TILLER_TOKENIZER_CASES does not name a folder")
        return
    }
    var caseCount = 0
    for name in SharedData.fileNames(in: folder).sorted() where name.hasSuffix(".jsonl") {
        for rules in try Rules.all(in: folder + "/" + name) {
            try rules.compare(name)
            caseCount += rules.cases.count
        }
    }
    print("\(caseCount) cases of random rules")
}

/// Marks of two classes by turns are sorted, not moved one by one; none of them is lost.
@Test func manyMarksOnOneLetterAreOrderedInTime() {
    var rules = TokenizerRules()
    rules.normalizers = [.nfc]
    let marks = String(repeating: "\u{0301}\u{0323}", count: 100_000)
    let clock = ContinuousClock()
    var normalized = ""
    let time = clock.measure { normalized = rules.normalized("a" + marks) }
    let scalars = normalized.unicodeScalars
    // U+0323 comes first by its class, so the first one composes with the letter.
    #expect(scalars.first == "\u{1EA1}" && scalars.count == 200_000)
    #expect(scalars.dropFirst().prefix(99_999).allSatisfy { $0 == "\u{0323}" })
    #expect(time < .seconds(5))
}
