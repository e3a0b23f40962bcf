// SPDX-License-Identifier: Apache-2.0
// What is scored has no generated part: every command that scores texts lets profiles of one phase act on all of it, and says
// so where a gate or a position keeps them from acting at all.

import Formats
import JSON
import TestSupport
import Testing

@Suite struct ScoredTextCommandTests {
    private let place = Workplace()

    /// The same profile for both phases, either one, with a gate that a prompt opens, and gates that each token opens: always
    /// and never.
    private func model() -> String {
        let model = place.convert("llama")
        place.write(
            (0..<24).map { index in
                let tail = String(repeating: " a", count: index % 7)
                return "{\"positive\": \"a e i o\(tail)\", \"negative\": \"t s n r\(tail)\"}\n"
            }.joined(), to: "pairs.jsonl")
        func run(_ arguments: String...) {
            let outcome = place.tiller(["profile"] + arguments)
            #expect(outcome.status == 0, "\(outcome.error)")
        }
        func train(_ name: String, _ options: String...) {
            let outcome = place.tiller(
                [
                    "profile", "train", model, "--pairs", place.path("pairs.jsonl"), "--name", name,
                    "--layers", "1",
                ] + options)
            #expect(outcome.status == 0, "\(outcome.error)")
        }
        train("both")
        train("prompt", "--phase", "prompt")
        train("generation", "--phase", "generation")
        train("late", "--spare", "5000")
        for name in ["once", "open", "shut"] { train(name) }
        run("gate", model, "once", "--when", "both", "--above", "1e6", "--once")
        run("gate", model, "open", "--when", "both", "--below", "1e6")
        run("gate", model, "shut", "--when", "both", "--above", "1e6")
        let text = (0..<60).map { "It was a day like the \($0) days before, and the sea was calm." }
        place.write(text.joined(separator: " "), to: "text.txt")
        place.write("[[1, 40, 41, 42, 43, 44], [1, 60, 61]]", to: "tokens.json")
        place.write(
            (0..<12).map { index in
                "{\"question\": \"It was a day \(index)\", \"choices\": [\"a e i\", \"t s n\", \"o u\"], \"answer\": \(index % 3)}\n"
            }.joined(), to: "items.jsonl")
        return model
    }

    static let commands = ["pairs", "choice", "perplexity", "divergence", "logits"]

    /// What a command finds, with steering or without.
    private func result(_ command: String, _ model: String, _ steer: String?, json: Bool = true) -> Outcome {
        let arguments: [String] =
            switch command {
            case "pairs": ["pairs", model, "--items", place.path("pairs.jsonl")]
            case "choice": ["choice", model, "--items", place.path("items.jsonl")]
            case "perplexity":
                ["perplexity", model, "--text", place.path("text.txt"), "--context", "64", "--chunks", "2"]
            case "divergence":
                [
                    "divergence", model, "--reference", model, "--text", place.path("text.txt"), "--context",
                    "64",
                    "--chunks", "2",
                ]
            default:
                [
                    "logits", model, "--tokens", place.path("tokens.json"), "--output", place.path("logits"),
                    "--force",
                ]
            }
        let flags = json && command != "logits" ? ["--json"] : []
        let outcome = place.tiller(["evaluate"] + arguments + flags + (steer.map { ["--steer", $0] } ?? []))
        guard command == "logits", outcome.status == 0 else { return outcome }
        // The file is the result.
        return Outcome(
            status: outcome.status, output: place.digest(of: "logits") + "\n" + outcome.output,
            error: outcome.error)
    }

    @Test func profilesOfOnePhaseActOnAllThatIsScored() throws {
        let model = model()
        for command in Self.commands {
            let plain = result(command, model, nil), both = result(command, model, "both=8")
            #expect(both.status == 0, "\(both.error)")
            #expect(both.output != plain.output, "\(command)")
            for name in ["prompt", "generation", "once"] {
                #expect(result(command, model, "\(name)=8").output == both.output, "\(command) \(name)")
            }
            let open = result(command, model, "open=8")
            #expect(open.output.replacing(",\"gates_opened\":true", with: "") == both.output, "\(command)")
        }
        #expect(try (result("pairs", model, "generation=8").json["mean_shift"]?.doubleValue ?? 0) != 0)
        #expect(try (result("divergence", model, "generation=8").json["mean_kl"]?.doubleValue ?? 1) != 0)
    }

    @Test func aGateThatStaysShutIsSaidAndNotShownAsNoEffect() throws {
        let model = model()
        for command in Self.commands {
            if command != "logits" {
                #expect(
                    try result(command, model, "shut=8").json["gates_opened"]?.boolValue == false,
                    "\(command)")
            }
            let told = result(command, model, "shut=8", json: false)
            #expect(told.output.contains("none opened"), "\(command): \(told.output)")
            #expect(!result(command, model, "both=8", json: false).output.contains("none opened"))
        }
    }

    @Test func whatBeginsAfterTheTextIsRefused() {
        let model = model()
        for command in Self.commands {
            expectRefusal(result(command, model, "late=8"), code: 1, saying: "begins at position 5000")
            #expect(result(command, model, "late=0").status == 0, "strength 0 asks for nothing")
        }
    }

    @Test func whatIsTimedIsSteered() throws {
        let model = model()
        func bench(_ steer: String, _ prompt: Int, _ generated: Int) -> Outcome {
            place.tiller(
                "bench", model, "--steer", steer, "--prompt-tokens", "\(prompt)", "--generated-tokens",
                "\(generated)", "--repetitions", "1", "--json")
        }
        for (name, prompt, generated) in [
            ("both", 4, 0), ("prompt", 4, 0), ("generation", 0, 4), ("once", 0, 4), ("shut", 4, 4),
        ] {
            #expect(bench(name, prompt, generated).status == 0, "\(name)")
        }
        for (name, prompt, generated) in [
            ("prompt", 0, 4), ("generation", 4, 0), ("once", 4, 0), ("late", 4, 4),
        ] {
            expectRefusal(bench(name, prompt, generated), code: 1, saying: "none of the tokens to time")
        }
    }
}
