// SPDX-License-Identifier: Apache-2.0
// One command teaches a model what another one knows; whatever is wrong ends in one line, and the target's file stays as
// it was.

import Formats
import JSON
import LinearAlgebra
import TestSupport
import Testing

@Suite struct ExpertTrainTests {
    private let place = Workplace()

    /// Texts of different letters, as JSON lines.
    private func pairs(_ count: Int) -> String {
        var random = SeededGenerator(seed: 3)
        func text(_ letters: [String]) -> String {
            (0..<10).map { _ in letters.randomElement(using: &random) ?? "" }.joined(separator: " ")
        }
        return (0..<count).map { _ in
            "{\"positive\": \"\(text(["a", "e", "i"]))\", \"negative\": \"\(text(["t", "s", "n"]))\"}\n"
        }.joined()
    }

    private func prepare(pairs count: Int = 40) -> (target: String, expert: String, data: String) {
        place.write(pairs(count), to: "pairs.jsonl")
        return (
            place.convert("gemma3", to: "target.tiller"), place.convert("llama", to: "expert.tiller"),
            place.path("pairs.jsonl")
        )
    }

    @Test func anExpertTeachesATargetThatThenSteers() throws {
        let (target, expert, data) = prepare()
        place.write(
            "The first text is long enough to be read.\n\nAnd so is the second text of this file.",
            to: "t.txt")
        let outcome = place.tiller(
            "expert", "train", target, "--expert", expert, "--pairs", data, "--texts", place.path("t.txt"),
            "--name",
            "vowels", "--report", place.path("report"), "--align", "autoencoder", "--pairing", "low",
            "--seed", "5")
        #expect(outcome.status == 0, "\(outcome.error)")
        for words in [
            "held-out AUC", "gap  expert", "mutual information", "by low", "warning: the axes",
            "trained 'vowels'",
        ] {
            #expect(outcome.output.contains(words), "\(outcome.output)")
        }
        for name in ["gap.svg", "information.svg", "pairs.svg"] {
            #expect(place.text(of: "report/\(name)").contains("</svg>"))
        }
        let report = try JSON.parse(place.bytes(of: "report/report.json"))
        #expect(report["information"]?["gaussian"]?.arrayValue?.isEmpty == false)
        #expect(report["evaluation"]?["gap"]?["expert"]?.arrayValue?.isEmpty == false)
        #expect(place.shell("rm -r '\(place.path("report"))'").status == 0)

        let shown = place.tiller("profile", "show", target, "vowels", "--json")
        #expect(try shown.json["provenance"]?["expert"]?["layers"]?.intValue != nil)
        #expect(try shown.json["evaluation"]?["gap"]?["verdict"]?.stringValue != nil)
        let plain = place.tiller(
            "generate", target, "--prompt", "a e", "--max-tokens", "8", "--temperature", "0")
        let steered = place.tiller(
            "generate", target, "--prompt", "a e", "--max-tokens", "8", "--temperature", "0", "--steer",
            "vowels=20")
        #expect(steered.status == 0 && steered.output != plain.output)
        expectRefusal(
            place.tiller("expert", "train", target, "--expert", expert, "--pairs", data, "--name", "vowels"),
            code: 1, saying: "already")
    }

    @Test func harvestedShardsTeachAsTheModelDoes() throws {
        let (target, expert, data) = prepare()
        func train(_ name: String, _ experts: [String], threads: String) -> String {
            let outcome = place.tiller(
                [
                    "expert", "train", target, "--pairs", data, "--name", name, "--threads", threads,
                    "--expert",
                ] + experts)
            #expect(outcome.status == 0, "\(outcome.error)")
            place.tiller("profile", "rename", target, name, "same")
            place.tiller("profile", "export", target, "same", place.path(name))
            place.tiller("profile", "remove", target, "same")
            return place.digest(of: name)
        }
        var shards: [String] = []
        for index in [3, 1, 2] {
            shards.append(place.path("shard\(index)"))
            let outcome = place.tiller(
                "expert", "capture", expert, "--pairs", data, "--output", shards[shards.count - 1], "--shard",
                "\(index)/3")
            #expect(outcome.status == 0, "\(outcome.error)")
        }
        let profiles = [
            train("one", [expert], threads: "1"), train("two", [expert], threads: "2"),
            train("four", [expert], threads: "4"), train("shards", shards, threads: "2"),
        ]
        #expect(Set(profiles).count == 1)

        // What is wrong with shards.
        func refusal(_ experts: [String], _ words: String) {
            let before = place.digest(of: "target.tiller")
            expectRefusal(
                place.tiller(
                    ["expert", "train", target, "--pairs", data, "--name", "x", "--expert"] + experts),
                code: 1, saying: words)
            #expect(place.digest(of: "target.tiller") == before)
        }
        refusal(Array(shards.dropLast()), "without 2/3")
        refusal(shards + [shards[0]], "again")
        let other = place.convert("qwen3", to: "other.tiller")
        let stranger = place.path("stranger")
        place.tiller("expert", "capture", other, "--pairs", data, "--output", stranger, "--shard", "3/3")
        refusal([stranger, shards[1], shards[2]], "R15")
        place.tiller(
            "expert", "capture", expert, "--pairs", data, "--output", stranger, "--shard", "3/3",
            "--position",
            "last", "--force")
        refusal([shards[1], stranger, shards[2]], "R17")
        var broken = place.bytes(of: "shard1")
        // A number of the first layer becomes NaN.
        let start = 8 + broken[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
        broken.replaceSubrange(start + 8..<start + 12, with: [0, 0, 0xC0, 0x7F])
        place.write(broken, to: "nan")
        refusal([place.path("nan"), shards[0], shards[2]], "NaN in row 0")
        place.write(pairs(39), to: "pairs.jsonl")
        refusal(shards, "other texts")
        refusal([place.path("missing")], "No such file")
        refusal([data], "pairs.jsonl")
    }

    /// OpenBLAS would choose kernels by the processor, and they add in different orders.
    @Test func theSameSeedGivesTheSameProfileOnAllProcessorsOfAKind() throws {
        let (target, expert, data) = prepare()
        func train(_ core: String?) throws -> (digest: String, kernels: String?) {
            let variable = core.map { "\(CoreType.variable)=\($0) " } ?? ""
            let outcome = place.shell(
                "\(variable)\"$tiller\" expert train '\(target)' --expert '\(expert)' --pairs '\(data)' --name same --seed 5"
            )
            #expect(outcome.status == 0, "\(outcome.error)")
            let shown = try place.tiller("profile", "show", target, "same", "--json").json
            place.tiller("profile", "export", target, "same", place.path("same"), "--force")
            place.tiller("profile", "remove", target, "same")
            return (place.digest(of: "same"), shown["provenance"]?["linear_algebra"]?.stringValue)
        }
        let chosen = try train(nil)
        let common = CoreType.common()
        #expect(common == nil || chosen.kernels == common)
        #expect(try train(common) == chosen)
        // What the user asks for is used, on record, and as reproducible.
        for core in ["Zen", "SkylakeX"] where common == "Haswell" && CoreType.canRun(core) {
            let asked = try train(core)
            #expect(asked.kernels == core)
            #expect(try train(core) == asked)
        }
        for core in ["SkylakeX", "Cooperlake"] where common == "Haswell" && !CoreType.canRun(core) {
            let outcome = place.shell(
                "\(CoreType.variable)=\(core) \"$tiller\" expert train '\(target)' --expert '\(expert)' --pairs '\(data)' --name x"
            )
            guard outcome.status != 0 else {
                // This build falls back to kernels that run here.
                place.tiller("profile", "remove", target, "x")
                continue
            }
            expectRefusal(outcome, code: 1, saying: "\(core) kernels")
        }
    }

    @Test func badDataLeavesTheTargetAsItIs() {
        let (target, expert, data) = prepare()
        let before = place.digest(of: "target.tiller")
        func train(_ arguments: String..., pairs: String) -> Outcome {
            place.tiller(
                ["expert", "train", target, "--expert", expert, "--name", "x", "--pairs", pairs] + arguments)
        }
        func refusal(_ text: String, _ words: String) {
            place.write(text, to: "bad.jsonl")
            expectRefusal(train(pairs: place.path("bad.jsonl")), code: 1, saying: "bad.jsonl", words)
        }
        refusal(pairs(8), "expected at least 16")
        refusal(
            String(repeating: "{\"positive\": \"one class\", \"negative\": null}\n", count: 20), "no pairs")
        refusal(String(repeating: "{\"positive\": \"one class\"}\n", count: 20), "line 1")
        refusal(
            String(repeating: "{\"positive\": \"a b c\", \"negative\": \"a b c\"}\n", count: 20),
            "sides are identical")
        refusal(
            String(repeating: "{\"positive\": \"a b c\", \"negative\": \"d e f\"}\n", count: 20), "identical")
        refusal("", "no pairs")
        for layers in ["0-99", "7", "x", "-1"] {
            expectRefusal(train("--layers", layers, pairs: data), code: 2, saying: "layer")
        }
        expectRefusal(train("--align", "magic", pairs: data), code: 2, saying: "align")
        expectRefusal(train("--max-pairs", "3", pairs: data), code: 2, saying: "at least 16")
        expectRefusal(train("--position", "after:zebra", pairs: data), code: 1, saying: "0 pairs can be read")
        expectRefusal(
            place.tiller("expert", "train", target, "--pairs", data, "--name", "x"), code: 2,
            saying: "--expert")
        // A disk without room for the states, and one without room for the profile.
        for blocks in [4, 24] {
            let outcome = place.shell(
                "mkdir -p \"$folder/states\"; export TMPDIR=\"$folder/states\"; ulimit -f \(blocks); exec \"$tiller\" expert train \"$folder/target.tiller\" --expert "
                    + "\"$folder/expert.tiller\" --pairs \"$folder/pairs.jsonl\" --name x")
            #expect(outcome.status == 1, "\(outcome.error)")
            #expect(outcome.errorLines.last?.contains("File too large") == true, "\(outcome.error)")
        }
        #expect(place.digest(of: "target.tiller") == before)
        let gone = place.shell("ls \"$folder/states\" | grep -c tiller-states || true")
        #expect(gone.output == "0\n")
    }

    @Test func theGapIsPrintedAlone() throws {
        let (target, expert, data) = prepare()
        let outcome = place.tiller("expert", "gap", target, "--expert", expert, "--pairs", data, "--json")
        #expect(outcome.status == 0, "\(outcome.error)")
        #expect(try outcome.json["expert"]?.arrayValue?.isEmpty == false)
        #expect(try outcome.json["pairs"]?.intValue == 40)
        let text = place.tiller("expert", "gap", target, "--expert", expert, "--pairs", data)
        #expect(text.output.contains("gap  expert"))
    }

    @Test func allWaysAreCompared() throws {
        let (target, expert, data) = prepare()
        let outcome = place.tiller(
            "expert", "compare", target, "--expert", expert, "--pairs", data, "--validation", data,
            "--random", "2",
            "--max-validation", "8", "--json")
        #expect(outcome.status == 0, "\(outcome.error)")
        let arms = try outcome.json["arms"]?.arrayValue?.compactMap { $0["arm"]?.stringValue } ?? []
        #expect(arms.filter { $0.hasPrefix("own ") }.count == 4)
        #expect(
            arms.filter { $0.hasPrefix("expert ") }.count == 9
                && arms.filter { $0.hasPrefix("random") }.count == 2)
    }
}
