// SPDX-License-Identifier: Apache-2.0
// Everyone arrives at the same rows: what is cut, what is left out, and what identifies a row.

import Evaluation
import ExpertSteer
import Formats
import Testing
import Tiller

struct ReadingListTests {
    @Test func rowsArePairsWithTheirPositiveSideFirstAndThenTexts() throws {
        let pairs = [
            ContrastivePair(prompt: "Q", positive: "yes", negative: "no"),
            ContrastivePair(positive: "same", negative: "same"),
            ContrastivePair(positive: "good", negative: "bad"),
        ]
        let list = try Corpus(pairs: pairs, texts: ["A text."])
        #expect(list.pairs == [pairs[0], pairs[2]])
        #expect(list.rows.map(\.label) == [1, -1, 1, -1, 0])
        #expect(list.rows.map(\.number) == [0, 0, 1, 1, 0])
        let texts = list.rows.indices.map { list.text(ofRow: $0).text }
        #expect(texts == ["yes", "no", "good", "bad", "A text."])
        #expect(list.rows[0].textHash == ActivationRow.textHash(prompt: "Q", text: "yes"))
        #expect(list.text(ofRow: 1).prompt == "Q" && list.text(ofRow: 2).prompt == nil)
        // printf '\1Q\0yes' | sha256sum and so on, concatenated and hashed again.
        #expect(
            "\(list.rows[0].textHash)" == "\(SHA256.digest(of: [1, 0x51, 0, 0x79, 0x65, 0x73]))")
        #expect(list.dataHash == ActivationRow.dataHash(of: list.rows.map(\.textHash)))
    }

    @Test func sidesAreCutByScalarsAndThenCompared() throws {
        let long = String(repeating: "é", count: 2048)
        let list = try Corpus(
            pairs: [
                ContrastivePair(positive: long + "a", negative: long + "b"),
                ContrastivePair(positive: long + "a", negative: "b"),
            ], texts: [long + "tail"])
        #expect(list.pairs.count == 1 && list.pairs[0].positive == long && list.texts == [long])
        // Equal for Swift, but not byte by byte.
        let composed = try Corpus(pairs: [ContrastivePair(positive: "é", negative: "e\u{301}")])
        #expect(composed.pairs.count == 1)
    }

    @Test func nothingToReadIsRefused() {
        #expect(throws: TillerError.self) { try Corpus(pairs: [], texts: []) }
        let error = #expect(throws: TillerError.self) {
            try Corpus(pairs: [ContrastivePair(positive: "a", negative: "a")], texts: ["text"])
        }
        #expect(error?.description.contains("identical in every pair") == true)
    }

    @Test func aPartOfAListKnowsItsRowsInTheWhole() throws {
        let pairs = (0..<10).map { ContrastivePair(positive: "p\($0)", negative: "n\($0)") }
        let list = try Corpus(pairs: pairs, texts: (0..<4).map { "t\($0)" })
        let (part, rows) = list.selecting(pairs: [0, 5], textCount: 3)
        #expect(part.pairs == [pairs[0], pairs[5]] && part.texts == ["t0", "t1", "t2"])
        #expect(rows == [0, 1, 10, 11, 20, 21, 22])
        #expect(part.rows.map(\.textHash) == rows.map { list.rows[$0].textHash })
        #expect(list.selecting(pairs: Array(0..<10), textCount: 99).rows == Array(list.rows.indices))
    }

    @Test func blankLinesSeparateTexts() throws {
        let text = """
              = A heading = \r
             \t\r
            The first line of a text,\t
              and its second one.
            \u{A0}

            Another text, long enough to stay.
            """
        let texts = try PlainTexts.read(Array(text.utf8), fileName: "a.txt")
        #expect(
            texts == [
                "The first line of a text, and its second one. \u{A0}", "Another text, long enough to stay.",
            ])
    }

    @Test func jsonLinesHoldTexts() throws {
        let rows = "{\"text\": \"short\"}\n\n{\"text\": \"ß\", \"label\": 1}\n"
        #expect(try PlainTexts.read(Array(rows.utf8), fileName: "a.jsonl") == ["short", "ß"])
        for bad in ["{\"text\": 1}", "{\"text\": \"\"}", "[]", "{"] {
            #expect(throws: TillerError.self) { try PlainTexts.read(Array(bad.utf8), fileName: "a.jsonl") }
        }
        for bad in ["", "\n\n", "short\n\n"] {
            #expect(throws: TillerError.self) { try PlainTexts.read(Array(bad.utf8), fileName: "a.txt") }
        }
        #expect(throws: TillerError.self) { try PlainTexts.read([0x61, 0xFF], fileName: "a.txt") }
    }
}
