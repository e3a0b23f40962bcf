// SPDX-License-Identifier: Apache-2.0
// Caps, receipts, compositions and the experiment through the commands.

import Formats
import Glibc
import JSON
import TestSupport
import Testing

@Suite struct EvidenceCommandTests {
    private let place = Workplace()

    private func items(_ count: Int) -> String {
        (0..<count).map { index in
            let tail = String(repeating: " a", count: index % 7)
            return
                "{\"positive\": \"a e i o\(tail)\", \"negative\": \"t s n r\(tail)\", \"group\": \(index / 2)}\n"
        }.joined()
    }

    private func steerable() -> String {
        let model = place.convert("llama")
        place.write(items(24), to: "pairs.jsonl")
        for name in ["vowels", "again"] {
            let outcome = place.tiller(
                "profile", "train", model, "--pairs", place.path("pairs.jsonl"), "--name", name, "--layers",
                "1")
            #expect(outcome.status == 0, "\(outcome.error)")
        }
        return model
    }

    @Test func aBoundIsKeptAndReported() throws {
        let model = steerable()
        func text(_ options: String...) throws -> JSON {
            let outcome = place.tiller(
                ["generate", model, "--prompt", "It was", "--max-tokens", "12", "--seed", "3", "--json"]
                    + options)
            #expect(outcome.status == 0, "\(outcome.error)")
            return try outcome.json
        }
        let plain = try text()
        let none = try text("--steer", "vowels=8", "--max-divergence", "0")
        #expect(none["text"] == plain["text"] && plain["divergence"] == nil)
        let some = try text("--steer", "vowels=8", "--max-divergence", "0.05")
        #expect((some["divergence"]?["largest"]?.doubleValue ?? 1) <= 0.05)
        expectRefusal(
            place.tiller("generate", model, "--prompt", "a", "--max-divergence", "-1"), code: 2,
            saying: "--max-divergence is -1.0, expected 0...100")
        let chat = place.tiller(
            ["chat", model, "--max-tokens", "6", "--max-divergence", "0.1"],
            input: Array("hello\n/compare vowels=4\n".utf8))
        #expect(chat.status == 0 && chat.output.contains("KL per token"), "\(chat.error)")
    }

    @Test func aReceiptIsMadeShownCarriedAndVerified() throws {
        let model = steerable()
        place.write(items(20), to: "items.jsonl")
        let made = place.tiller(
            "profile", "evaluate", model, "vowels", "--items", place.path("items.jsonl"), "--seed", "5",
            "--json")
        #expect(made.status == 0, "\(made.error)")
        #expect(try made.json["seed"]?.stringValue == "5")
        let isDemonstrated = try made.json["demonstrated"]?.boolValue == true
        let label = isDemonstrated ? "demonstrated" : "not demonstrated"
        #expect(place.tiller("profile", "list", model).output.contains("[\(label)]"))
        let shown = place.tiller("profile", "show", model, "vowels").output
        for words in ["receipt      \(label)", "24 random directions", "8 shuffled labels", "perplexity"] {
            #expect(shown.contains(words), "\(shown)")
        }
        #expect(place.tiller("profile", "show", model, "again").output.contains("receipt      none"))
        #expect(
            place.tiller("profile", "verify", model).output.contains("all figures are identical"))
        expectRefusal(place.tiller("profile", "verify", model, "again"), code: 1, saying: "has no receipt")
        let file = place.path("v.tillerprofile")
        #expect(place.tiller("profile", "export", model, "vowels", file).status == 0)
        #expect(place.tiller("profile", "import", model, file, "--name", "back").status == 0)
        #expect(
            place.tiller("profile", "verify", model, "back").output.contains(
                "all figures are identical"))
        #expect(place.tiller("verify", model).status == 0)
        place.write(items(18), to: "items.jsonl")
        expectRefusal(
            place.tiller("profile", "verify", model, "vowels", "--items", place.path("items.jsonl")), code: 1,
            saying: "was made with other items")
        expectRefusal(
            place.tiller(
                "profile", "evaluate", model, "vowels", "--items", place.path("items.jsonl"), "--controls",
                "3"),
            code: 2, saying: "--controls is 3")
    }

    @Test func aCompositionKeepsToItsBudget() throws {
        let model = steerable()
        let outcome = place.tiller(
            "profile", "compose", model, "vowels", "again", "--damage", "0.1", "--json")
        #expect(outcome.status == 0, "\(outcome.error)")
        let gram = try outcome.json["gram"]?[0]?[1]?.doubleValue ?? 0
        #expect(gram > 0.999, "the same profile twice")
        #expect(try abs((outcome.json["spent"]?.doubleValue ?? 0) - 0.1) < 0.003)
        expectRefusal(place.tiller("profile", "compose", model, "vowels"), code: 2, saying: "two or more")
    }

    /// The experiment's own program, which is built where `TILLER_EXPERIMENT` is set.
    private static let experiment = String(Workplace.executable.dropLast(6)) + "ExpertExperiment"

    @Test(.enabled(if: access(experiment, X_OK) == 0, "the experiment's program is not built"))
    func anExperimentHasEveryArm() throws {
        var random = SeededGenerator(seed: 3)
        func pairs(_ count: Int) -> String {
            func text(_ letters: [String]) -> String {
                (0..<10).map { _ in letters.randomElement(using: &random) ?? "" }.joined(separator: " ")
            }
            return (0..<count).map { _ in
                "{\"positive\": \"\(text(["a", "e", "i"]))\", \"negative\": \"\(text(["t", "s", "n"]))\"}\n"
            }.joined()
        }
        for (name, count) in [("train", 40), ("validation", 8), ("test", 10), ("wrong", 20)] {
            place.write(pairs(count), to: "\(name).jsonl")
        }
        let (target, expert) = (
            place.convert("gemma3", to: "target.tiller"), place.convert("llama", to: "expert.tiller")
        )
        let inInt8 = place.convert("gemma3", to: "int8.tiller", "--weights", "int8")
        func run(otherWeights: String) -> Outcome {
            place.run(
                Self.experiment,
                [
                    target, "--expert", expert, "--pairs", place.path("train.jsonl"),
                    "--validation", place.path("validation.jsonl"), "--test", place.path("test.jsonl"),
                    "--wrong",
                    place.path("wrong.jsonl"), "--system", "Only vowels.", "--random", "20", "--controls",
                    "3",
                    "--pairings", "matched-depth", "low", "--depths", "0", "2", "--weights", otherWeights,
                ])
        }
        let refusal = run(otherWeights: expert)
        #expect(refusal.status != 0 && refusal.output == "")
        #expect(
            refusal.error.contains("expert.tiller") && refusal.error.contains("the target in other weights"))
        let outcome = run(otherWeights: inInt8)
        #expect(outcome.status == 0, "\(outcome.error)")
        let result = try outcome.json
        let survival = result["survival"]?.arrayValue?.first
        #expect(survival?["weights"]?.stringValue == "int8.tiller")
        #expect(survival?["arms"]?.arrayValue?.map { $0["kind"]?.stringValue } == ["own", "expert"])
        #expect(survival?["arms"]?.arrayValue?.allSatisfy { ($0["damage"]?.doubleValue ?? 0) > 0.01 } == true)
        let arms = result["arms"]?.arrayValue ?? []
        for (kind, count) in [
            ("none", 1), ("words", 2), ("own", 4), ("expert", 5), ("random", 20), ("shuffled", 3),
            ("rotated", 3),
            ("wrong domain", 1),
        ] {
            #expect(arms.count { $0["kind"]?.stringValue == kind } == count, "\(kind)")
        }
        #expect(result["hypotheses"]?.arrayValue?.count == 4)
        #expect(arms.allSatisfy { $0["shifts"]?.arrayValue?.count == 10 })
        #expect(run(otherWeights: inInt8).output == outcome.output, "the same seed gives the same digits")
    }
}
