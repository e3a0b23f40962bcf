// SPDX-License-Identifier: Apache-2.0
// Texts, pairs and items may be compressed; the system's gzip makes them.

import TestSupport
import Testing

@Suite struct CompressedInputTests {
    private let place = Workplace()

    private func compress(_ text: String, to name: String) -> String {
        place.write(text, to: name)
        #expect(place.shell("gzip -k $folder/\(name)").status == 0)
        return place.path(name + ".gz")
    }

    @Test func compressedInputsGiveTheSameFigures() throws {
        let model = place.convert("llama", to: "model.tiller", "--calibration", "none")
        let text = compress(String(repeating: "It rained and they stayed in. ", count: 30), to: "text.txt")
        let pairs = compress(somePairs, to: "pairs.jsonl"), items = compress(someItems, to: "items.jsonl")
        for arguments in [
            ["evaluate", "perplexity", model, "--text", text, "--context", "32", "--json"],
            ["evaluate", "pairs", model, "--items", pairs, "--json"],
            ["evaluate", "choice", model, "--items", items, "--json"],
        ] {
            let compressed = place.tiller(arguments)
            let plain = place.tiller(arguments.map { $0.hasSuffix(".gz") ? String($0.dropLast(3)) : $0 })
            // Figures of items name their file.
            let output = compressed.output.split(separator: ".gz").joined()
            #expect(compressed.status == 0 && output == plain.output, "\(compressed.error)")
        }
        // A pipe, and several members.
        let both = place.shell(
            "cat '\(pairs)' '\(pairs)' | $tiller evaluate pairs '\(model)' --items /dev/stdin --json")
        #expect(both.status == 0, "\(both.error)")
    }

    @Test func compressedInputsThatAreDamagedAreRefused() {
        let model = place.convert("llama", to: "model.tiller", "--calibration", "none")
        _ = compress(somePairs, to: "pairs.jsonl")
        let whole = place.bytes(of: "pairs.jsonl.gz")
        place.write(Array(whole.dropLast(4)), to: "cut.gz")
        var bytes = whole
        bytes[bytes.count - 6] ^= 1
        place.write(bytes, to: "sum.gz")
        place.write(Array(whole.prefix(2)) + [9] + Array(whole.dropFirst(3)), to: "other.gz")
        for (file, word) in [("cut.gz", "too early"), ("sum.gz", "damaged"), ("other.gz", "damaged")] {
            expectRefusal(
                place.tiller("evaluate", "pairs", model, "--items", place.path(file)), code: 1,
                saying: place.path(file), word)
        }
        // 300 MB of one letter in 300 kB.
        #expect(place.shell("head -c 300000000 /dev/zero | tr '\\0' a | gzip >$folder/bomb.gz").status == 0)
        expectRefusal(
            place.tiller("evaluate", "perplexity", model, "--text", place.path("bomb.gz")), code: 1,
            saying: "bomb.gz", "more than")
    }
}
