// SPDX-License-Identifier: Apache-2.0

import Evaluation
import ModelFixtures
import TestSupport
import Testing
import Tiller

@Suite struct ChoiceTests {
    private let folder = TemporaryFolder()

    // MARK: - Items

    @Test func otherFieldsAreIgnored() throws {
        let text =
            #"{"id": "x", "question": "Which?", "choices": ["a", "b"], "answer": 1, "row": 3}"# + "\n\n"
        let items = try ChoiceItem.read(Array(text.utf8), fileName: "i.jsonl")
        #expect(items == [ChoiceItem(question: "Which?", choices: ["a", "b"], answer: 1)])
    }

    @Test(arguments: [
        (#"{"question": "q", "choices": ["a", "b"]}"#, "line 1"),
        (#"{"choices": ["a", "b"], "answer": 0}"#, "line 1"),
        (#"{"question": "q", "choices": "ab", "answer": 0}"#, "line 1"), ("[]", "line 1"), ("", "no items"),
        (#"{"question": "q", "choices": ["a", 2], "answer": 0}"#, "texts"),
        (#"{"question": "q", "choices": ["a"], "answer": 0}"#, "at least two"),
        (#"{"question": "q", "choices": ["a", " "], "answer": 0}"#, "not empty"),
        (#"{"question": " ", "choices": ["a", "b"], "answer": 0}"#, "not empty"),
        (#"{"question": "q", "choices": ["a", "b"], "answer": 2}"#, "0...1"),
        (#"{"question": "q", "choices": ["a", "b"], "answer": -1}"#, "'answer' is -1"),
        (#"{"question": "q", "choices": ["a", "b"], "answer": "a"}"#, "index"),
        (#"{"question": "q", "choices": ["a", "b"], "answer": 0}"# + "\n{", "line 2"),
    ])
    func malformedRowsAreNamed(text: String, expected: String) {
        do {
            _ = try ChoiceItem.read(Array(text.utf8), fileName: "i.jsonl")
            Issue.record("not refused: \(text)")
        } catch {
            #expect("\(error)".contains(expected) && "\(error)".contains("i.jsonl"), "\(error)")
        }
    }

    @Test(arguments: [
        ("Why?", "Why?", [" a", " b"]), ("Why?\n", "Why?", ["\na", "\n b"]),
        ("So \n ", "So", [" \n a", " \n  b"]),
    ])
    func whiteSpaceGoesToTheChoices(question: String, stem: String, choices: [String]) {
        let parts = ChoiceItem(question: question, choices: ["a", " b"], answer: 0).parts
        #expect(parts.question == stem && parts.choices == choices)
    }

    // MARK: - Scores

    @Test func longChoicesAreNotPunished() {
        let item = ChoiceItem(question: "q", choices: ["four", "a longer one"], answer: 1)
        // −1.5 by character against −1; the first of equals wins.
        #expect(item.outcome([-6, -12]) == .init(isRight: true, isRightRaw: false))
        #expect(item.outcome([-4, -12]) == .init(isRight: false, isRightRaw: false))
        #expect(item.outcome([-8, -6]) == .init(isRight: true, isRightRaw: true))
    }

    @Test func figuresAreThoseOfTheDefinitions() {
        func outcomes(_ text: String) -> [ChoiceEvaluation.Outcome] {
            text.map { ChoiceEvaluation.Outcome(isRight: $0 == "1", isRightRaw: false) }
        }
        let result = ChoiceEvaluation(plain: outcomes("11110000"), steered: outcomes("11111100"))
        #expect(result.accuracy == 0.75 && result.plainAccuracy == 0.5 && result.difference == 0.25)
        #expect(result.accuracyRaw == 0)
        #expect(result.interval == wilsonInterval(successes: 6, of: 8))
        #expect(result.differenceInterval.contains(0.25))
        let joined = ChoiceEvaluation(joining: [result, result])
        #expect(joined.itemCount == 16 && joined.accuracy == 0.75 && joined.plainAccuracy == 0.5)
        let plain = ChoiceEvaluation(plain: outcomes("10"))
        #expect(plain.accuracy == 0.5 && plain.json["difference"] == nil)
    }

    /// What the shared question gives is what each choice gives alone, evaluated from the start.
    @Test(arguments: ["llama", "mistral", "qwen2", "gemma3"])
    func aSharedQuestionChangesNothing(name: String) throws {
        let engine = try TinyModel(name).engine(in: folder)
        let scorer = try ChoiceScorer(engine: engine)
        let session = try engine.makeSession(contextLength: 256)
        // More items than go through together, not all with as many choices.
        let items = (0..<19).map { index in
            ChoiceItem(
                question: ["The weather today", "It was"][index % 2]
                    + String(repeating: " so", count: index / 2),
                choices: Array(
                    ["no", "no", "is fine and it will stay so", "is fine."].prefix(2 + index % 3)), answer: 0)
        }
        for (item, found) in zip(items, try scorer.logLikelihoods(of: items, under: .none)) {
            let question = item.question
            #expect(found.count == item.choices.count)
            let expected = item.choices.map { choice in
                let start = engine.encode(question).count
                let tokens = engine.encode(question + " " + choice)
                var sum = 0.0
                session.evaluateAllLogits(tokens) { position, logits in
                    guard position + 1 >= start, position + 1 < tokens.count, let base = logits.baseAddress
                    else {
                        return
                    }
                    sum += Double(
                        base[Int(tokens[position + 1])] - engine.compute.logSumExp(base, count: logits.count))
                }
                return sum
            }
            for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-4, "\(found) \(expected)") }
            #expect(found[0] == found[1])
        }
    }

    @Test func longItemsLoseTheirBeginning() throws {
        let engine = try TinyModel("llama").engine(in: folder)
        let scorer = try ChoiceScorer(engine: engine)
        let question = String(repeating: "words ", count: 3 * engine.contextLength)
        let item = ChoiceItem(question: question, choices: ["yes", "no"], answer: 0)
        let found = try scorer.logLikelihoods(of: [item], under: .none)
        #expect(found.count == 1 && found[0].count == 2)
        #expect(found[0].allSatisfy { $0.isFinite && $0 < 0 })
    }
}
