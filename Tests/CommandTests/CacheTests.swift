// SPDX-License-Identifier: Apache-2.0
// GGUF files and model folders run where they lie: converted once, into the cache.

import Formats
import Glibc
import JSON
import TestSupport
import Testing

@Suite struct CacheTests {
    private let place = Workplace()

    /// The converted models in the test's own cache.
    private var cached: [String] {
        get throws {
            let list = try place.tiller("cache", "list", "--json").json
            return (list["items"]?.arrayValue ?? []).compactMap { $0["path"]?.stringValue }
        }
    }

    private func generate(_ path: String) -> Outcome {
        place.tiller("generate", path, "--prompt", "It was", "--temperature", "0", "--max-tokens", "8")
    }

    /// A copy of one of the tiny models.
    private func copy(_ model: String, to name: String = "small.gguf") -> String {
        place.write(Workplace.bytes(at: "\(Workplace.fixtures)/\(model).gguf"), to: name)
        return place.path(name)
    }

    @Test func aGGUFIsConvertedOnce() throws {
        let source = copy("llama")
        let expected = generate(
            place.convert("llama", to: "own.tiller", "--weights", "int8", "--calibration", "none"))
        let first = generate(source), file = try #require(try cached.first)
        #expect(first.status == 0 && first.output == expected.output, "\(first.error)")
        #expect(first.error.contains(file) && first.error.contains("kB"))
        // Progress may come between.
        #expect(first.errorLines.filter { $0.hasPrefix("tiller: ") }.count == 2)
        #expect(first.error.contains("'tiller convert \(source)'"))
        #expect(file.hasPrefix(place.path(".cache/tiller/models/small-")))

        let digest = SHA256.digest(of: Workplace.bytes(at: file)).description
        let second = generate(source)
        #expect(second.status == 0 && second.output == first.output && second.error == "")
        #expect(try cached == [file])
        #expect(SHA256.digest(of: Workplace.bytes(at: file)).description == digest)
    }

    @Test func everyCommandThatReadsAModelTakesASource() throws {
        let source = copy("qwen2"), folder = FolderCopy("llama")
        place.write(String(repeating: "It rained and they stayed in. ", count: 20), to: "text.txt")
        place.write(somePairs, to: "pairs.jsonl")
        let (text, pairs) = (place.path("text.txt"), place.path("pairs.jsonl"))
        for path in [source, folder.path] {
            for arguments in [
                ["inspect", path, "--json"], ["chat", path],
                ["bench", path, "--prompt-tokens", "4", "--generated-tokens", "2", "--repetitions", "1"],
                ["evaluate", "perplexity", path, "--text", text, "--context", "16", "--chunks", "1"],
                ["evaluate", "pairs", path, "--items", pairs],
                ["evaluate", "divergence", path, "--reference", path, "--text", text, "--context", "16"],
                ["bundle", path, place.path("boat"), "--runtime", Workplace.executable, "--force"],
            ] {
                let outcome = place.tiller(arguments)
                #expect(outcome.status == 0, "\(arguments): \(outcome.error)")
            }
        }
        #expect(try cached.count == 2)
    }

    @Test func aChangedSourceIsConvertedAnew() throws {
        let source = copy("llama")
        let before = generate(source)
        _ = copy("mistral")
        let after = generate(source)
        #expect(after.status == 0 && after.error.contains("is converted") && after.output != before.output)
        // What belonged to the former state has gone.
        #expect(try cached.count == 1)
        #expect(place.shell("touch -d '2001-01-01' '\(source)'").status == 0)
        #expect(generate(source).error.contains("is converted"))
    }

    @Test func partsOfAModelAreOneSource() throws {
        let parts = Workplace.fixtures + "/split/qwen2-0000"
        let first = generate(parts + "1-of-00003.gguf"), third = generate(parts + "3-of-00003.gguf")
        #expect(first.status == 0 && first.error.contains("models/qwen2-"))
        #expect(third.status == 0 && third.error == "" && third.output == first.output)
    }

    @Test func twoProcessesMayConvertAtOnce() throws {
        let source = copy("llama")
        let outcome = place.shell(
            "for i in 1 2 3 4; do $tiller generate '\(source)' --prompt Hi --temperature 0 >$folder/$i 2>&1 || "
                + "echo failed & done; wait; cat $folder/1")
        #expect(outcome.status == 0 && !outcome.output.contains("failed"), "\(outcome.output)")
        #expect(try cached.count == 1)
        #expect(generate(source).error == "")
    }

    @Test func nothingInTheCacheIsChanged() throws {
        let source = copy("llama")
        #expect(generate(source).status == 0)
        let file = try #require(try cached.first)
        place.write(somePairs, to: "pairs.jsonl")
        #expect(place.tiller("keys", "new", "ada").status == 0)
        let digest = SHA256.digest(of: Workplace.bytes(at: file)).description
        let (pairs, vector) = (place.path("pairs.jsonl"), Workplace.fixtures + "/llama.steering.gguf")
        #expect(symlink(file, place.path("alias")) == 0)
        for path in [source, file, place.path("alias")] {
            for arguments in [
                ["compact", path], ["sign", path, "--key", "ada"],
                ["profile", "train", path, "--pairs", pairs, "--name", "glad"],
                ["profile", "import", path, vector, "--name", "v"], ["profile", "remove", path, "v"],
                ["profile", "rename", path, "v", "w"], ["profile", "gate", path, "v", "--off"],
                ["profile", "calibrate", path, "v", "--validation", pairs],
                ["profile", "evaluate", path, "v", "--items", pairs],
            ] {
                expectRefusal(place.tiller(arguments), code: 1, saying: path, "tiller convert")
            }
        }
        #expect(SHA256.digest(of: Workplace.bytes(at: file)).description == digest)
    }

    @Test(arguments: ["XDG_CACHE_HOME=$folder/small.gguf", "XDG_CACHE_HOME=/proc/none", "HOME=", "-u HOME"])
    func aCacheThatCannotBeWrittenSaysWhatToDo(setting: String) {
        let source = copy("llama")
        let outcome = place.shell("env \(setting) $tiller generate '\(source)' --prompt Hi")
        expectRefusal(outcome, code: 1, saying: "cache", "XDG_CACHE_HOME")
    }

    @Test func aSourceThatCannotBeConvertedLeavesNothing() throws {
        let whole = Workplace.bytes(at: Workplace.fixtures + "/llama.gguf")
        place.write(Array(whole.prefix(whole.count / 2)), to: "half.gguf")
        expectRefusal(generate(place.path("half.gguf")), code: 1, saying: "half.gguf")
        #expect(try cached.isEmpty)
        // Wrong usage is reported before a conversion that may take minutes.
        expectRefusal(
            place.tiller("generate", copy("llama"), "--prompt", "x", "--top-p", "7"), code: 2, saying: "top")
        #expect(try cached.isEmpty)
    }

    // MARK: - The commands about the cache

    @Test func theCacheIsListedAndCleared() throws {
        #expect(place.tiller("cache", "list").output.contains("nothing"))
        let (one, two) = (copy("llama"), copy("qwen2", to: "other.gguf"))
        #expect(generate(one).status == 0 && generate(two).status == 0)
        let list = try place.tiller("cache", "list", "--json").json["items"]?.arrayValue ?? []
        #expect(list.map { $0["source"]?.stringValue } == [two, one])
        #expect(list.allSatisfy { ($0["bytes"]?.intValue ?? 0) > 1000 })
        #expect(list.allSatisfy { $0["last_use"]?.stringValue?.hasPrefix("20") == true })
        let text = place.tiller("cache", "list").output
        #expect(text.contains(one) && text.contains(" kB ") && text.split(separator: "\n").count == 2)

        let name = try #require(list[0]["name"]?.stringValue)
        expectRefusal(place.tiller("cache", "clear", "../model"), code: 1, saying: "../model", "list")
        let cleared = place.tiller("cache", "clear", name)
        #expect(
            cleared.status == 0 && cleared.output.contains("\(name): ") && cleared.output.contains("freed"))
        #expect(try cached.count == 1)
        #expect(place.tiller("cache", "clear").status == 0)
        #expect(place.shell("ls -A $folder/.cache/tiller/models").output == "")
        #expect(generate(one).error.contains("is converted"))
    }

    // MARK: - Conversions without a name

    @Test func aConversionNamesItsOutput() {
        _ = copy("llama")
        let parts = Workplace.fixtures + "/split/qwen2-00002-of-00003.gguf"
        for (source, output) in [
            ("small.gguf", "small.tiller"), (parts, "qwen2.tiller"),
            (packageRoot + "/Tests/Fixtures/folders/llama/", "llama.tiller"),
        ] {
            let outcome = place.shell("cd $folder; $tiller convert '\(source)' --calibration none")
            #expect(outcome.status == 0 && outcome.output.contains("written   \(output)"), "\(outcome.error)")
            #expect(place.exists(output))
        }
        expectRefusal(
            place.shell("cd $folder; $tiller convert small.tiller"), code: 1, saying: "the source itself")
        expectRefusal(place.shell("cd $folder; $tiller convert small.gguf"), code: 1, saying: "--force")
    }
}
