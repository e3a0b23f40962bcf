// SPDX-License-Identifier: Apache-2.0
// The small program says and does what the large one does, and bundles are it and a model.

import JSON
import TestSupport
import Testing

@Suite struct RunProgramTests {
    private let place = Workplace()
    private static let runner = Workplace.executable + "-run"
    private let greedy = [
        "--prompt", "It was", "--temperature", "0", "--max-tokens", "8", "--seed", "1", "--json",
    ]

    private func run(_ arguments: [String], input: String = "") -> Outcome {
        place.run(Self.runner, arguments, input: Array(input.utf8))
    }

    /// A model with a profile "v".
    private func steerable() -> String {
        let model = place.convert("llama")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "v").status == 0)
        return model
    }

    /// Bundles a model behind the small program.
    private func bundle(_ model: String, _ options: String...) -> String {
        let boat = place.path("boat")
        let outcome = place.tiller(["bundle", model, boat, "--runtime", Self.runner] + options)
        #expect(outcome.status == 0, "\(outcome.error)")
        return boat
    }

    @Test(arguments: ["chat", "generate", "inspect", "verify", "bench"])
    func helpSaysTheSame(command: String) {
        func words(_ text: String, _ name: String) -> [Substring] {
            text.split(separator: name).joined(separator: "tiller").split(whereSeparator: \.isWhitespace)
        }
        let (small, large) = (run([command, "--help"]), place.tiller(command, "--help"))
        #expect(small.status == 0 && large.status == 0)
        #expect(words(small.output, Self.runner) == words(large.output, "tiller"))
    }

    @Test func textsAndReportsAreTheSame() throws {
        let model = steerable()
        for arguments in [
            ["generate", model] + greedy, ["generate", model, "--steer", "v=2", "--chat"] + greedy,
            ["generate", model, "--prompt=It was", "--seed", "3", "--stop", "e", "--logprobs", "--json"],
            ["inspect", model], ["inspect", model, "--json", "--tensors"],
        ] {
            let (small, large) = (run(arguments), place.tiller(arguments))
            #expect(small.status == 0 && small.output == large.output, "\(arguments): \(small.error)")
        }
        #expect(
            run(["bench", model, "--prompt-tokens", "4", "--generated-tokens", "4", "--repetitions", "1"])
                .status == 0)
        #expect(run(["verify", model, "--json"]).output.hasPrefix("{\"valid\":true,"))
        let chat = ["chat", model, "--temperature", "0", "--max-tokens", "4"]
        #expect(
            run(chat, input: "hello\n/steer v=2\nhello\n").output
                == place.tiller(chat, input: Array("hello\n/steer v=2\nhello\n".utf8)).output)
    }

    @Test func wrongUsageIsRefused() {
        let model = place.convert("llama")
        for (arguments, word) in [
            (["nonsense"], "nonsense"), (["--nonsense"], "--nonsense"), (["generate", model], "--prompt"),
            (["generate", "--prompt", "a"], "<file>"), (["generate", model, "--prompt"], "--prompt <text>"),
            (["verify", model, "two"], "'two'"), (["verify", model, "--json=1"], "--json"),
            (["chat", model, "--threads", "x"], "'x'"), (["chat", model, "--threads", "0"], "--threads"),
            (["chat", model, "--cache", "f8"], "f8"), (["chat", model, "--max-tokens", "0"], "--max-tokens"),
            (["generate", model, "--prompt", "a", "--logprobs"], "--json"),
            (["generate", model, "--prompt", "a", "--kernels", "mmx"], "mmx"),
        ] { expectRefusal(run(arguments), code: 2, saying: word) }
        expectRefusal(run(["verify", place.path("missing")]), code: 1, saying: "missing")
    }

    @Test func aBundleIsItsOwnModel() throws {
        let model = steerable()
        let boat = bundle(model, "--default-steer", "v=2", "--system", "Be brief.")
        let steered = place.tiller(["generate", model, "--steer", "v=2"] + greedy).output
        let plain = place.tiller(["generate", model] + greedy).output
        #expect(steered != plain)
        #expect(place.run(boat, ["generate"] + greedy).output == steered)
        #expect(place.run(boat, ["generate", "--steer", "off"] + greedy).output == plain)
        #expect(place.run(boat, ["generate", "--model", model] + greedy).output == plain)
        #expect(place.tiller(["generate", boat] + greedy).output == plain)
        let chat = ["--temperature", "0", "--max-tokens", "4"]
        let spoken = place.run(boat, chat, input: Array("hello\n".utf8))
        let expected = place.tiller(
            ["chat", model, "--steer", "v=2", "--system", "Be brief."] + chat, input: Array("hello\n".utf8))
        #expect(spoken.status == 0 && spoken.output == expected.output)
        expectRefusal(place.run(boat, ["verify", model]), code: 2, saying: "--model")
        #expect(place.run(boat, ["verify"]).status == 0)
        let report = try place.run(boat, ["inspect", "--json"]).json
        #expect(report["bundle"]?["system"]?.stringValue == "Be brief.")
        #expect(try place.tiller("inspect", boat, "--json").json == report)
    }

    @Test func profilesOfABundleComeAndGo() throws {
        let model = steerable(), boat = bundle(model)
        for file in [model, boat] {
            #expect(place.tiller("profile", "rename", file, "v", "w").status == 0)
            #expect(
                place.tiller("profile", "export", file, "w", place.path("w.tillerprofile"), "--force").status
                    == 0)
            #expect(
                place.tiller("profile", "import", file, place.path("w.tillerprofile"), "--name", "x").status
                    == 0)
            #expect(place.tiller("profile", "remove", file, "w").status == 0)
        }
        #expect(place.run(boat, ["generate", "--steer", "x=2"] + greedy).status == 0)
        #expect(place.tiller("unbundle", boat, place.path("back.tiller")).status == 0)
        #expect(place.digest(of: "back.tiller") == place.digest(of: "model.tiller"))
        expectRefusal(
            place.tiller("unbundle", model, place.path("b")), code: 1, saying: "already a model file")
        expectRefusal(place.tiller("compact", boat), code: 1, saying: "bundle the model again")
        expectRefusal(
            place.tiller("bundle", model, place.path("c"), "--runtime", boat), code: 1,
            saying: "not a program")
        expectRefusal(
            place.tiller("bundle", model, place.path("c"), "--runtime", Self.runner, "--default-steer", "no"),
            code: 1, saying: "'no'")
    }

    @Test func aDamagedBundleIsRefused() throws {
        let boat = bundle(place.convert("llama"), "--system", "Be brief.")
        var bytes = place.bytes(of: "boat")
        let text = Array("Be brief.".utf8)
        let index = try #require(
            stride(from: 0, to: bytes.count, by: 64).compactMap { start in
                (start..<min(start + 64, bytes.count)).first { bytes[$0...].starts(with: text) }
            }.last)
        bytes[index] ^= 1
        place.write(bytes, to: "boat2")
        expectRefusal(place.tiller("inspect", place.path("boat2")), code: 1, saying: "bundle.md R1")
        #expect(place.run(boat, ["verify"]).status == 0)
    }

    // MARK: - Sessions

    @Test func aSessionKeepsWhatWasComputed() throws {
        let model = steerable(), session = place.path("s.session")
        func generate(_ options: String...) -> Outcome {
            place.tiller(["generate", model] + greedy + ["--session", session] + options)
        }
        let first = generate(), second = generate()
        #expect(
            first.status == 0 && second.status == 0 && first.output == second.output && second.error == "")
        let steered = generate("--steer", "v=2")
        #expect(steered.error.contains("another steering"))
        #expect(steered.output == place.tiller(["generate", model, "--steer", "v=2"] + greedy).output)
        place.write(Array("no session".utf8), to: "s.session")
        expectRefusal(generate(), code: 1, saying: "session.md R1")
        #expect(place.text(of: "s.session") == "no session")
    }

    @Test func aChatGoesOnWhereItEnded() throws {
        let model = place.convert("llama"), session = place.path("c.session")
        func chat(_ lines: String) -> Outcome {
            place.tiller(
                ["chat", model, "--temperature", "0", "--max-tokens", "6", "--session", session],
                input: Array(lines.utf8))
        }
        #expect(chat("/system Be brief.\nhello\n").status == 0)
        let second = chat("and now\n/stats\n/save \(place.path("c.json"))\n")
        #expect(second.status == 0 && second.error == "", "\(second.error)")
        let messages = try JSON.parse(place.bytes(of: "c.json"))["messages"]?.arrayValue ?? []
        #expect(
            messages.map { $0["role"]?.stringValue } == ["system", "user", "assistant", "user", "assistant"])
        #expect(messages[1]["content"]?.stringValue == "hello")
    }
}
