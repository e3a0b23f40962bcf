// SPDX-License-Identifier: Apache-2.0

import Evaluation
import Testing

@Suite struct ContrastivePairTests {
    private func read(_ text: String) throws -> [ContrastivePair] {
        try ContrastivePair.read(Array(text.utf8), fileName: "p.jsonl")
    }

    @Test func promptsAreOptionalAndOtherFieldsIgnored() throws {
        let pairs = try read(
            #"{"positive": "a", "negative": "b", "group": 7}"# + "\n"
                + #"{"prompt": "q", "positive": "c", "negative": "d"}"# + "\n"
                + #"{"prompt": null, "positive": "e", "negative": "f"}"#)
        #expect(pairs.map(\.prompt) == [nil, "q", nil])
        #expect(pairs.map(\.positive) == ["a", "c", "e"])
    }

    @Test func rowsWithoutASideAreLeftOut() throws {
        let pairs = try read(
            #"{"positive": null, "negative": "b"}"# + "\n" + #"{"positive": "c", "negative": "d"}"#)
        #expect(pairs == [ContrastivePair(positive: "c", negative: "d")])
    }

    @Test(arguments: [
        (#"{"positive": "a"}"#, "line 1"), (#"{"positive": 1, "negative": "b"}"#, "line 1"),
        ("[]", "line 1"), (#"{"positive": "a""#, "p.jsonl"), ("", "no pairs"),
        (
            #"{"positive": "a", "negative": "b"}"# + "\n\n"
                + #"{"prompt": 3, "positive": "a", "negative": "b"}"#, "line 3"
        ),
    ])
    func malformedRowsAreNamed(text: String, expected: String) {
        do {
            _ = try read(text)
            Issue.record("not refused: \(text)")
        } catch { #expect("\(error)".contains(expected)) }
    }

    @Test func spreadKeepsTheOrderAndTheEnds() {
        #expect(Array(0..<10).spread(20) == Array(0..<10))
        let five = Array(0..<100).spread(5)
        #expect(five.count == 5)
        #expect(five == five.sorted())
    }
}
