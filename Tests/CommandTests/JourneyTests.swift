// SPDX-License-Identifier: Apache-2.0
// The way of a model through every command, as scripts go it.

import JSON
import TestSupport
import Testing

/// Pairs that a random model can be trained on as well as any other.
let somePairs = """
    {"prompt": "How was it?", "positive": "It was wonderful!", "negative": "It was dreadful."}
    {"positive": "What a lovely, sunny day", "negative": "What a sad, grey day"}
    {"prompt": "And then?", "positive": "We laughed and sang", "negative": "We wept and slept"}

    """

/// Questions that a random model can be asked.
let someItems = """
    {"id": 1, "question": "What is blue?", "choices": ["the sky", "grass"], "answer": 0}
    {"question": "Two and two are", "choices": ["three.", "four.", "five."], "answer": 1}
    {"question": "It rained.\\n", "choices": ["They stayed in.", "They swam."], "answer": 0}

    """

@Suite struct JourneyTests {
    private let place = Workplace()

    private func keys(_ outcome: Outcome) throws -> Set<String> {
        #expect(outcome.status == 0, "\(outcome.error)")
        guard case .object(let object) = try outcome.json else { return [] }
        return Set(object.map(\.key))
    }

    private func text(_ outcome: Outcome) throws -> String? {
        #expect(outcome.status == 0, "\(outcome.error)")
        return try outcome.json["text"]?.stringValue
    }

    @Test(arguments: ["llama", "mistral", "qwen2", "gemma3"])
    func aModelGoesAllTheWay(name: String) throws {
        let model = place.convert(name)
        let report = try place.tiller("inspect", model, "--json").json
        #expect(report["manifest"] != nil && report["memory"]?["total"]?.intValue ?? 0 > 0)
        #expect(report["profiles"]?.arrayValue?.isEmpty == true)
        #expect(place.tiller("verify", model).status == 0)

        place.write(somePairs, to: "pairs.jsonl")
        let training = place.tiller(
            "profile", "train", model, "--pairs", place.path("pairs.jsonl"), "--name", "glad", "--layers", "1"
        )
        #expect(training.status == 0, "\(training.error)")
        #expect(place.tiller("profile", "list", model).output.contains("glad"))

        let profile = place.path("glad.tillerprofile"), vector = place.path("glad.gguf")
        #expect(place.tiller("profile", "export", model, "glad", profile).status == 0)
        #expect(place.tiller("profile", "export", model, "glad", vector).status == 0)
        let generate = [
            "generate", model, "--prompt", "It was", "--temperature", "0", "--max-tokens", "8", "--json",
        ]
        let steered = try text(place.tiller(generate + ["--steer", "glad=2"]))
        #expect(place.tiller("profile", "remove", model, "glad").status == 0)
        #expect(place.tiller("profile", "import", model, profile, "--name", "again").status == 0)
        #expect(try text(place.tiller(generate + ["--steer", "again=2"])) == steered)
        #expect(place.tiller("profile", "import", model, vector, "--name", "vector").status == 0)
        #expect(place.tiller("profile", "rename", model, "vector", "renamed").status == 0)

        let size = place.bytes(of: "model.tiller").count
        #expect(place.tiller("compact", model).status == 0)
        #expect(place.bytes(of: "model.tiller").count < size)
        #expect(place.tiller("verify", model, "--json").output.contains("\"valid\":true"))
        let list = try place.tiller("profile", "list", model, "--json").json["profiles"]?.arrayValue ?? []
        #expect(list.compactMap { $0["name"]?.stringValue } == ["again", "renamed"])
    }

    @Test(arguments: ["llama", "mistral", "gemma3-vision"])
    func aFolderGoesTheSameWay(name: String) throws {
        let first = place.path("first.tiller"), second = place.path("second.tiller")
        let conversion = place.tiller("convert", "\(FolderCopy.fixtures)/\(name)", first, "--weights", "f32")
        #expect(conversion.status == 0, "\(conversion.error)")
        #expect(conversion.output.contains("images") == (name == "gemma3-vision"))
        #expect(place.tiller("convert", first, second, "--weights", "int8").status == 0)
        #expect(place.bytes(of: "second.tiller").count < place.bytes(of: "first.tiller").count)
        for model in [first, second] {
            #expect(place.tiller("verify", model).status == 0)
            let generate = ["generate", model, "--prompt", "It was", "--chat", "--max-tokens", "4", "--json"]
            #expect(place.tiller(generate).status == 0)
        }
        let again = place.tiller("convert", second, place.path("third.tiller"), "--weights", "int4")
        #expect(again.status == 0 && again.output.contains("already quantized (int8)"))
    }

    @Test func aSeedRepeatsItsText() throws {
        let model = place.convert("llama")
        func run(_ seed: String) throws -> String? {
            try text(
                place.tiller(
                    "generate", model, "--prompt", "the", "--seed", seed, "--temperature", "2",
                    "--max-tokens",
                    "24", "--json"))
        }
        #expect(try run("7") == run("7"))
        #expect(try run("7") != run("8"))
    }

    @Test func strengthZeroIsNoSteering() throws {
        let model = place.convert("llama")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "v").status == 0)
        let plain = ["generate", model, "--prompt", "a b c", "--seed", "1", "--json", "--logprobs"]
        let without = place.tiller(plain)
        #expect(place.tiller(plain + ["--steer", "v=0"]).output == without.output)
        #expect(place.tiller(plain + ["--steer", "v=4"]).output != without.output)
    }

    @Test(arguments: ["int4", "int8", "f16", "f32"])
    func everyInstructionSetSaysTheSame(weights: String) throws {
        let model = place.convert("llama", to: "model.tiller", "--weights", weights)
        var texts: Set<String> = []
        for kernels in ["portable", "avx2", "avx512", "neon", "neon-dotprod", "neon-i8mm"] {
            let outcome = place.tiller(
                "generate", model, "--prompt", "hello", "--temperature", "0", "--max-tokens", "16", "--json",
                "--kernels", kernels)
            // A processor need not have all of them.
            if outcome.status == 2, outcome.error.contains("available here") { continue }
            texts.insert(try #require(try text(outcome)))
        }
        #expect(texts.count == 1)
    }

    @Test func reportsHaveTheirKeys() throws {
        let model = place.convert("llama")
        place.write(somePairs, to: "pairs.jsonl")
        place.write(String(repeating: "the quick brown fox ", count: 40), to: "text.txt")
        let bench = place.tiller(
            "bench", model, "--prompt-tokens", "8", "--generated-tokens", "4", "--repetitions", "1", "--json")
        #expect(
            try keys(bench) == [
                "prefill_tokens_per_second", "decode_tokens_per_second", "first_token_ms", "load_ms",
                "peak_memory_bytes", "predicted_memory_bytes", "weights_bytes", "read_bytes_per_second",
                "decode_bytes_per_token", "decode_bandwidth_share", "kernels", "threads",
            ])
        let perplexity = place.tiller(
            "evaluate", "perplexity", model, "--text", place.path("text.txt"), "--context", "32", "--json")
        #expect(try keys(perplexity).isSuperset(of: ["perplexity", "tokens", "mean_nll"]))
        let divergence = place.tiller(
            "evaluate", "divergence", model, "--reference", model, "--text", place.path("text.txt"),
            place.path("text.txt"), "--context", "32", "--chunks", "2", "--json")
        #expect(
            try keys(divergence).isSuperset(of: [
                "mean_kl", "median_kl", "p90_kl", "p99_kl", "max_kl", "same_top", "rms_dp", "perplexity",
                "reference_perplexity", "tokens",
            ]))
        #expect(try divergence.json["texts"]?.arrayValue?.count == 2)
        #expect(try divergence.json["mean_kl"]?.doubleValue == 0)
        #expect(try divergence.json["same_top"]?.doubleValue == 1)
        let generate = place.tiller("generate", model, "--prompt", "x", "--max-tokens", "2", "--json")
        #expect(try keys(generate) == ["text", "tokens", "prompt_tokens", "stop_reason", "seed"])
        let pairs = place.tiller("evaluate", "pairs", model, "--items", place.path("pairs.jsonl"), "--json")
        #expect(try keys(pairs).isSuperset(of: ["mean_log_odds", "share_shifted", "interval"]))
    }

    @Test func choicesAreReportedForEverySetAndTogether() throws {
        let model = place.convert("llama")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "v").status == 0)
        place.write(someItems, to: "items.jsonl")
        let items = place.path("items.jsonl")
        let plain = place.tiller("evaluate", "choice", model, "--items", items, "--limit", "2", "--json")
        #expect(try keys(plain) == ["accuracy", "interval", "accuracy_raw", "items", "sets"])
        #expect(try plain.json["items"] == 2)
        let steered = place.tiller(
            "evaluate", "choice", model, "--items", items, items, "--steer", "v", "--json")
        #expect(
            try keys(steered).isSuperset(of: ["plain_accuracy", "plain_accuracy_raw", "difference"]))
        #expect(try steered.json["items"] == 6)
        #expect(try steered.json["sets"]?.arrayValue?.count == 2)
        #expect(place.tiller("evaluate", "choice", model, "--items", items).output.contains("3 items"))
    }

    @Test func steeringIsHeldAgainstAReference() throws {
        let reference = place.convert("llama", to: "reference.tiller", "--weights", "f32")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", reference, vector, "--name", "v").status == 0)
        let model = place.convert("llama")
        place.write(somePairs, to: "pairs.jsonl")
        let command = ["evaluate", "steering", model, "--reference", reference, "--profile", "v=2"]
        #expect(
            try keys(place.tiller(command + ["--json"])) == [
                "strength", "mean_state_cosine", "mean_displacement_cosine", "state_cosine",
                "displacement_cosine",
            ])
        let full = place.tiller(command + ["--pairs", place.path("pairs.jsonl"), "--json"])
        #expect(
            try keys(full).isSuperset(of: [
                "mean_direction_cosine", "direction_cosine", "retention", "interval", "shift",
                "reference_shift", "pairs",
            ]))
        let text = place.tiller(command + ["--pairs", place.path("pairs.jsonl")])
        #expect(text.status == 0 && text.output.contains("retention"))
    }

    @Test func logitsAreWrittenForEveryPosition() throws {
        let model = place.convert("llama")
        place.write("[[1, 2, 3], [4]]", to: "ids.json")
        let logits = [
            "evaluate", "logits", model, "--tokens", place.path("ids.json"), "--output", place.path("l.bin"),
        ]
        #expect(place.tiller(logits).status == 0)
        #expect(place.bytes(of: "l.bin").count == 4 * 290 * 4)
        expectRefusal(place.tiller(logits), code: 1, saying: "--force")
    }

    @Test func thePromptMayComeFromStandardInput() throws {
        let model = place.convert("llama")
        let options = ["--seed", "1", "--max-tokens", "8", "--json"]
        let piped = place.tiller(
            ["generate", model, "--prompt", "-"] + options, input: Array("hello there".utf8))
        #expect(
            piped.output == place.tiller(["generate", model, "--prompt", "hello there"] + options).output)
        // A text may begin with a dash.
        #expect(place.tiller(["generate", model, "--prompt", "-- no option"] + options).status == 0)
    }

    @Test func streamedTextIsTheReportedText() throws {
        let model = place.convert("llama")
        let options = ["generate", model, "--prompt", "hello", "--temperature", "0", "--max-tokens", "12"]
        let reported = try text(place.tiller(options + ["--json"]))
        #expect(place.tiller(options).output == (reported ?? "") + "\n")
    }

    @Test(arguments: [
        [], ["convert"], ["chat"], ["generate"], ["profile"], ["profile", "train"], ["profile", "import"],
        ["inspect"], ["verify"], ["bench"], ["evaluate"], ["evaluate", "logits"],
        ["evaluate", "divergence"], ["evaluate", "choice"], ["evaluate", "steering"], ["compact"],
    ])
    func everyCommandExplainsItself(command: [String]) {
        let help = place.tiller(command + ["--help"])
        #expect(help.status == 0 && help.error == "")
        #expect(help.output.contains("USAGE: tiller"))
        #expect(help.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
}
