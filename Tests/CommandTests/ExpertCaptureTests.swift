// SPDX-License-Identifier: Apache-2.0
// Capturing on the command line, and harvesting with transformers: both write the same rows.

import Formats
import Glibc
import TestSupport
import Testing

@Suite struct ExpertCaptureTests {
    private let place = Workplace()
    private let pairs = """
        {"positive": "one two three four five six", "negative": "a b c d e f g h"}
        {"prompt": "How are you?", "positive": "I am well, thank you", "negative": "I am sad today"}
        {"positive": "same", "negative": "same"}
        {"positive": "the cat sat", "negative": "the dog ran far away", "prompt": null}
        {"positive": null, "negative": "nothing"}
        {"prompt": "Größe?", "positive": "Ziemlich groß", "negative": "Klein"}
        """
    private let texts =
        "A first text of more\nthan one line, long enough.\n\nshort\n \nThe second text, which is long too."

    @Test func capturesShardsThatAddUp() throws {
        let model = place.convert("llama")
        place.write(pairs, to: "pairs.jsonl")
        place.write(texts, to: "texts.txt")
        var files: [String] = []
        for shard in ["2/2", "1/1", "1/2"] {
            let output = place.path(shard.split(separator: "/").joined(separator: "-"))
            let outcome = place.tiller(
                "expert", "capture", model, "--pairs", place.path("pairs.jsonl"), "--texts",
                place.path("texts.txt"), "--output", output, "--shard", shard, "--position", "mean",
                "--layers",
                "0-1")
            #expect(
                outcome.status == 0 && outcome.output.contains("of 4 pairs and 2 texts"), "\(outcome.error)")
            files.append(output)
        }
        let (whole, sum) = (
            try ActivationSet(paths: [files[1]]), try ActivationSet(paths: [files[0], files[2]])
        )
        #expect(whole.rows == sum.rows && whole.layers == [0, 1])
        #expect(whole.states(layer: 1) == sum.states(layer: 1))
    }

    @Test func refusesWhatCannotBeCaptured() {
        let model = place.convert("llama")
        place.write(pairs, to: "pairs.jsonl")
        place.write("{\"positive\": \"a\", \"negative\": \"a\"}", to: "same.jsonl")
        let (data, output) = (place.path("pairs.jsonl"), place.path("out.safetensors"))
        func capture(_ arguments: String...) -> Outcome {
            place.tiller(["expert", "capture", model, "--output", output] + arguments)
        }
        expectRefusal(capture(), code: 2, saying: "--pairs")
        expectRefusal(
            capture("--pairs", place.path("same.jsonl")), code: 1, saying: "same.jsonl", "identical")
        expectRefusal(capture("--pairs", data, "--layers", "5-99"), code: 2, saying: "layers")
        expectRefusal(capture("--pairs", data, "--shard", "9/9"), code: 2, saying: "shard 9/9", "at most 4")
        for shard in ["0/2", "3/2", "1", "x/y", "-1/2"] {
            expectRefusal(capture("--pairs", data, "--shard", shard), code: 2, saying: "shard")
        }
        for rule in ["first", "after:", "middle"] {
            expectRefusal(capture("--pairs", data, "--position", rule), code: 2, saying: "position")
        }
        #expect(!place.exists("out.safetensors") && place.folder.partialNames.isEmpty)
        place.write("", to: "out.safetensors")
        expectRefusal(capture("--pairs", data), code: 1, saying: "already exists")
    }

    /// A Python with torch and transformers: `TILLER_HARVEST_PYTHON`, or python3.
    private var python: String? {
        let python = getenv("TILLER_HARVEST_PYTHON").map { String(cString: $0) } ?? "python3"
        let outcome = place.shell("'\(python)' -c 'import torch, transformers, numpy'")
        return outcome.status == 0 ? python : nil
    }

    @Test(arguments: ["llama", "gemma3"], ["mean", "last", "after:a"])
    func transformersReadTheSameRowsWithSeveralWorkers(model: String, rule: String) throws {
        guard let python else {
            print("skipped: TILLER_HARVEST_PYTHON names no Python with torch and transformers")
            return
        }
        let folder = FolderCopy.fixtures + "/\(model)"
        #expect(place.tiller("convert", folder, place.path("m.tiller"), "--weights", "f32").status == 0)
        place.write(pairs, to: "pairs.jsonl")
        place.write(texts, to: "texts.txt")
        let data = [
            "--pairs", place.path("pairs.jsonl"), "--texts", place.path("texts.txt"), "--position", rule,
        ]
        let ours = place.tiller(
            ["expert", "capture", place.path("m.tiller"), "--output", place.path("ours")] + data)
        #expect(ours.status == 0, "\(ours.error)")
        let options = ["--output", place.path("theirs.safetensors"), "--workers", "3", "--threads", "1"]
        let harvest = place.run(
            "/usr/bin/env", [python, packageRoot + "/tools/harvest-activations", folder] + options + data)
        #expect(harvest.status == 0, "\(harvest.error)")
        let a = try ActivationSet(paths: [place.path("ours")])
        let b = try ActivationSet(paths: harvest.output.split(separator: "\n").map(String.init))
        #expect(a.rows == b.rows && a.tokenCounts == b.tokenCounts && a.layers == b.layers)
        #expect(a.header.dataHash == b.header.dataHash && a.header.width == b.header.width)
        for layer in a.layers {
            let (x, y) = (a.states(layer: layer), b.states(layer: layer))
            let largest = x.map(abs).max() ?? 0
            #expect(zip(x, y).allSatisfy { abs($0 - $1) <= 1e-3 * largest }, "layer \(layer)")
        }
    }
}
