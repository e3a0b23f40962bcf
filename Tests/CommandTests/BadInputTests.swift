// SPDX-License-Identifier: Apache-2.0
// Whatever is wrong with a file or an option ends in one line and an exit code, never in a crash or half a file.

import TestSupport
import Testing

@Suite struct BadInputTests {
    private let place = Workplace()

    // MARK: - Usage

    @Test(arguments: [
        ["frobnicate"], ["generate"], ["generate", "MODEL"], ["generate", "MODEL", "--prompt"],
        ["generate", "MODEL", "--prompt", "x", "--nope"], ["generate", "MODEL", "MODEL", "--prompt", "x"],
        ["generate", "MODEL", "--prompt", ""], ["generate", "MODEL", "--prompt", "", "--chat"],
        ["generate", "MODEL", "--prompt", "x", "--max-tokens", "-1"],
        ["generate", "MODEL", "--prompt", "x", "--max-tokens", "many"],
        ["generate", "MODEL", "--prompt", "x", "--logprobs"],
        ["generate", "MODEL", "--prompt", "x", "--kernels", "neon"],
        ["generate", "MODEL", "--prompt", "x", "--cache", "q4"],
        ["generate", "MODEL", "--prompt", "x", "--cache", "int8"],
        ["generate", "MODEL", "--prompt", "x", "--threads", "0"],
        ["generate", "MODEL", "--prompt", "x", "--threads", "-3"],
        ["generate", "MODEL", "--prompt", "x", "--threads", "10000"],
        ["generate", "MODEL", "--prompt", "x", "--context", "0"],
        ["generate", "MODEL", "--prompt", "x", "--context", "-1"],
        ["generate", "MODEL", "--prompt", "x", "--context", "9223372036854775807"],
        ["generate", "MODEL", "--prompt", "x", "--context", "99999999999999999999"],
        ["generate", "MODEL", "--prompt", "x", "--temperature", "nan"],
        ["generate", "MODEL", "--prompt", "x", "--temperature", "-1"],
        ["generate", "MODEL", "--prompt", "x", "--top-p", "2"],
        ["generate", "MODEL", "--prompt", "x", "--seed", "-1"],
        ["generate", "MODEL", "--prompt", "x", "--seed", "18446744073709551615"],
        ["generate", "MODEL", "--prompt", "x", "--logit-bias", "x"],
        ["generate", "MODEL", "--prompt", "x", "--logit-bias", "100000=1"],
        ["generate", "MODEL", "--prompt", "x", "--steer", "v=nan"],
        ["generate", "MODEL", "--prompt", "x", "--steer", "v=inf"],
        ["generate", "MODEL", "--prompt", "x", "--steer", "v=1e30"],
        ["generate", "MODEL", "--prompt", "x", "--steer", "v=strong"],
        ["generate", "MODEL", "--prompt", "x", "--steer", "v="],
        ["generate", "MODEL", "--prompt", "x", "--steer", "=1"],
        ["chat", "MODEL", "--context", "0"], ["chat", "MODEL", "--max-tokens", "0"],
        ["inspect", "MODEL", "--context", "0"],
        ["convert", "GGUF", "NEW", "--weights", "int2"], ["convert", "GGUF", "NEW", "--head", "q8"],
        ["convert", "GGUF", "NEW", "--threads", "0"], ["convert", "GGUF", ""],
        ["bench", "MODEL", "--prompt-tokens", "-1"], ["bench", "MODEL", "--repetitions", "0"],
        ["bench", "MODEL", "--prompt-tokens", "9223372036854775807"],
        ["bench", "MODEL", "--depth", "9223372036854775807"],
        ["bench", "MODEL", "--prompt-tokens", "0", "--generated-tokens", "0"],
        ["evaluate", "perplexity", "MODEL", "--text", "TEXT", "--context", "0"],
        ["evaluate", "perplexity", "MODEL", "--text", "TEXT", "--context", "9223372036854775807"],
        ["evaluate", "perplexity", "MODEL", "--text", "TEXT", "--chunks", "0"],
        ["evaluate", "divergence", "MODEL", "--text", "TEXT"],
        ["evaluate", "divergence", "MODEL", "--reference", "MODEL"],
        ["evaluate", "divergence", "MODEL", "--reference", "MODEL", "--text", "TEXT", "--context", "3"],
        ["evaluate", "divergence", "MODEL", "--reference", "MODEL", "--text", "TEXT", "--chunks", "0"],
        ["evaluate", "choice", "MODEL"],
        ["evaluate", "steering", "MODEL", "--profile", "v"],
        ["evaluate", "steering", "MODEL", "--reference", "MODEL"],
        ["evaluate", "steering", "MODEL", "--reference", "MODEL", "--profile", "v=much"],
        ["evaluate", "choice", "MODEL", "--items", "PAIRS", "--limit", "0"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "a/b"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", ""],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "n", "--layers", "x"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "n", "--layers", "-1"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "n", "--layers", "5-3"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "n", "--layers", "0-99"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "n", "--layers", "0-9999999999"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "n", "--layers", "1,,2"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "n", "--site", "head"],
        ["profile", "train", "MODEL", "--pairs", "PAIRS", "--name", "n", "--method", "magic"],
        ["profile", "rename", "MODEL", "v", "a b"],
        ["profile", "export", "MODEL", "v", "NEW.gguf", "--strength", "inf"],
    ])
    func wrongUsage(arguments: [String]) {
        expectRefusal(place.tiller(prepared(arguments)), code: 2)
        #expect(!place.exists("new") && !place.exists("new.gguf"))
    }

    /// Arguments with the names of real files in the place of capitals.
    private func prepared(_ arguments: [String]) -> [String] {
        let model = place.convert("llama")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "v").status == 0)
        place.write(somePairs, to: "pairs.jsonl")
        place.write(String(repeating: "words and words ", count: 100), to: "text.txt")
        let names = [
            "MODEL": model, "GGUF": Workplace.fixtures + "/llama.gguf", "NEW": place.path("new"),
            "NEW.gguf": place.path("new.gguf"), "PAIRS": place.path("pairs.jsonl"),
            "TEXT": place.path("text.txt"),
        ]
        return arguments.map { names[$0] ?? $0 }
    }

    @Test func usageErrorsNameTheCommandsHelp() {
        expectRefusal(
            place.tiller("profile", "train", "--nope"), code: 2, saying: "'tiller profile train --help'")
    }

    @Test func textMustBeUTF8() {
        let model = place.convert("llama")
        expectRefusal(
            place.tiller(["generate", model, "--prompt", "-"], input: [0x61, 0xFF]), code: 1, saying: "byte 1"
        )
        expectRefusal(
            place.shell("exec \"$tiller\" generate \"$folder/model.tiller\" --prompt \"$(printf 'a\\377')\""),
            code: 2, saying: "argument 4")
        place.write([0x61, 0xC3], to: "text.txt")
        expectRefusal(
            place.tiller("evaluate", "perplexity", model, "--text", place.path("text.txt")), code: 1,
            saying: "text.txt", "byte 1")
    }

    @Test func aPromptThatDoesNotFitSaysHowLongItIs() {
        let model = place.convert("llama")
        expectRefusal(
            place.tiller("generate", model, "--prompt", String(repeating: "word ", count: 100)), code: 1,
            saying: "128", "--context")
    }

    // MARK: - Files

    @Test(arguments: ["missing", "folder", "empty", "text", "photo"])
    func whatIsNoModelIsNotRun(kind: String) {
        let path = file(kind)
        for arguments in [
            ["generate", path, "--prompt", "x"], ["inspect", path], ["verify", path], ["chat", path],
            ["profile", "list", path], ["compact", path], ["bench", path],
        ] {
            expectRefusal(place.tiller(arguments), code: 1, saying: path)
        }
    }

    @Test func aSourceHasNeitherChecksumsNorProfiles() {
        for command in [["verify"], ["profile", "list"], ["compact"]] {
            let path = file("gguf")
            expectRefusal(place.tiller(command + [path]), code: 1, saying: path, "tiller convert")
        }
    }

    @Test(arguments: ["missing", "folder", "empty", "text", "photo"])
    func whatIsNoSourceIsNotConverted(kind: String) {
        let path = file(kind)
        expectRefusal(place.tiller("convert", path, place.path("new")), code: 1, saying: path)
        #expect(!place.exists("new") && place.folder.partialNames.isEmpty)
    }

    private func file(_ kind: String) -> String {
        switch kind {
        case "folder": return place.folder.path
        case "gguf": return Workplace.fixtures + "/llama.gguf"
        case "tiller": return place.convert("llama")
        case "empty": place.write([], to: kind)
        case "text": place.write("no model at all\n", to: kind)
        case "photo": place.write([0xFF, 0xD8, 0xFF, 0xE0] + Array("JFIF".utf8), to: kind)
        default: break
        }
        return place.path(kind)
    }

    @Test func aDamagedFolderIsNotConverted() {
        for (file, old, new, word) in [
            ("config.json", "\"hidden_size\"", "\"hidden\"", "hidden_size is missing"),
            ("tokenizer.json", "\"BPE\"", "\"WordPiece\"", "'WordPiece'"),
            ("model.safetensors.index.json", "00003-of", "00033-of", "model-00033-of-00004.safetensors"),
        ] {
            let copy = FolderCopy("llama")
            copy.replace(old, by: new, in: file)
            expectRefusal(
                place.tiller("convert", copy.path, place.path("new")), code: 1, saying: copy.path, word)
            #expect(!place.exists("new") && place.folder.partialNames.isEmpty)
        }
    }

    @Test(arguments: [1, 3, 4, 8, 23, 24, 100, 5000, 5400, 7000, 100_000, 402_335])
    func aTruncatedGGUFIsNotConverted(byteCount: Int) {
        place.write(
            Array(Workplace.bytes(at: Workplace.fixtures + "/llama.gguf")[..<byteCount]), to: "cut.gguf")
        expectRefusal(
            place.tiller("convert", place.path("cut.gguf"), place.path("new")), code: 1, saying: "cut.gguf")
        #expect(!place.exists("new") && place.folder.partialNames.isEmpty)
    }

    @Test func aTruncatedModelIsNotRun() {
        _ = place.convert("llama")
        let whole = place.bytes(of: "model.tiller")
        for count in [
            1, 8, 63, 64, 4096, whole.count / 2, whole.count - 129, whole.count - 128, whole.count - 1,
        ] {
            place.write(Array(whole[..<count]), to: "cut.tiller")
            expectRefusal(
                place.tiller("generate", place.path("cut.tiller"), "--prompt", "x"), code: 1,
                saying: "cut.tiller")
        }
    }

    @Test func onlyTheSameModelIsAReference() {
        let llama = place.convert("llama"), mistral = place.convert("mistral", to: "mistral.tiller")
        place.write(String(repeating: "words and words ", count: 100), to: "text.txt")
        let text = place.path("text.txt")
        expectRefusal(
            place.tiller("evaluate", "divergence", llama, "--reference", mistral, "--text", text), code: 1,
            saying: mistral, "different vocabularies")
        place.write("too short", to: "text.txt")
        expectRefusal(
            place.tiller("evaluate", "divergence", llama, "--reference", llama, "--text", text), code: 1,
            saying: text, "one chunk needs 512")
        expectRefusal(
            place.tiller("evaluate", "steering", llama, "--reference", mistral, "--profile", "v"), code: 1,
            saying: mistral, "different vocabularies")
        expectRefusal(
            place.tiller("evaluate", "steering", llama, "--reference", llama, "--profile", "v"), code: 1,
            saying: "'v'", "none")
    }

    @Test func anUnknownArchitectureIsNamed() {
        var bytes = Workplace.bytes(at: Workplace.fixtures + "/llama.gguf")
        let value = Array("general.architecture".utf8).count + 24 + 8 + 4 + 8
        bytes.replaceSubrange(value..<value + 5, with: Array("gpt99".utf8))
        place.write(bytes, to: "other.gguf")
        expectRefusal(
            place.tiller("convert", place.path("other.gguf"), place.path("new")), code: 1, saying: "gpt99",
            "llama")
    }

    @Test(arguments: [
        ("{\"positive\": \"a\", \"negative\": \"b\"}\n{\"positive\": \"a\"}\n", "line 2"),
        ("{\"positive\": \"a\", \"negative\": \"b\"}\n\nnonsense\n", "line 3"),
        ("[1, 2]\n", "line 1"), ("", "no pairs"),
        ("{\"positive\": \"\", \"negative\": \"\"}\n", "no pair has a token"),
    ])
    func badPairsAreShownWithTheirLine(content: String, word: String) {
        let model = place.convert("llama")
        place.write(content, to: "pairs.jsonl")
        let path = place.path("pairs.jsonl")
        let before = place.digest(of: "model.tiller")
        expectRefusal(
            place.tiller("profile", "train", model, "--pairs", path, "--name", "n"), code: 1, saying: path,
            word)
        expectRefusal(place.tiller("evaluate", "pairs", model, "--items", path), code: 1, saying: path, word)
        #expect(place.digest(of: "model.tiller") == before)
    }

    @Test func badItemsAreShownWithTheirLine() {
        let model = place.convert("llama")
        place.write(
            someItems + "{\"question\": \"Which?\", \"choices\": [\"a\", \"b\"], \"answer\": 2}\n",
            to: "i.jsonl")
        let path = place.path("i.jsonl")
        expectRefusal(
            place.tiller("evaluate", "choice", model, "--items", path), code: 1, saying: path, "line 4",
            "0...1")
    }

    @Test func pairsMustBeUTF8() {
        let model = place.convert("llama")
        place.write(
            Array("{\"positive\": \"a\", \"negative\": \"".utf8) + [0xFF] + Array("\"}\n".utf8), to: "p.jsonl"
        )
        expectRefusal(
            place.tiller("evaluate", "pairs", model, "--items", place.path("p.jsonl")), code: 1,
            saying: "line 1")
    }

    @Test(arguments: ["[[1, 2], [290]]", "[[-1]]", "[[1.5]]", "[]", "[[]]", "{", "[1]"])
    func badTokenListsLeaveNoOutput(content: String) {
        let model = place.convert("llama")
        place.write(content, to: "ids.json")
        expectRefusal(
            place.tiller(
                "evaluate", "logits", model, "--tokens", place.path("ids.json"), "--output", place.path("new")
            ),
            code: 1, saying: "ids.json")
        #expect(!place.exists("new") && place.folder.partialNames.isEmpty)
    }

    // MARK: - Profiles

    @Test func profilesStayWithTheirModel() {
        let llama = place.convert("llama"), qwen = place.convert("qwen2", to: "qwen.tiller")
        let linear = place.convert("llama3", to: "llama3.tiller")
        place.write(somePairs, to: "pairs.jsonl")
        #expect(
            place.tiller("profile", "train", llama, "--pairs", place.path("pairs.jsonl"), "--name", "p")
                .status == 0)
        let profile = place.path("p.tillerprofile")
        #expect(place.tiller("profile", "export", llama, "p", profile).status == 0)
        expectRefusal(place.tiller("profile", "import", qwen, profile), code: 1, saying: "--force")
        expectRefusal(
            place.tiller("profile", "import", qwen, profile, "--force"), code: 1, saying: "hiddenSize")
        expectRefusal(place.tiller("profile", "import", linear, profile), code: 1, saying: "--force")
        #expect(place.tiller("profile", "import", linear, profile, "--force").status == 0)
        expectRefusal(
            place.tiller("profile", "import", llama, profile), code: 1, saying: "already", "--force")
        #expect(place.tiller("profile", "import", llama, profile, "--force").status == 0)
        expectRefusal(place.tiller("profile", "export", llama, "p", profile), code: 1, saying: "--force")
        expectRefusal(
            place.tiller("profile", "train", llama, "--pairs", place.path("pairs.jsonl"), "--name", "p"),
            code: 1,
            saying: "already", "--force")
    }

    @Test(arguments: ["model", "text", "gguf", "other shape"])
    func whatIsNoProfileIsNotImported(kind: String) {
        let model = place.convert("llama")
        let before = place.digest(of: "model.tiller")
        let other = Workplace.fixtures + "/gemma3.steering.gguf"
        let path = kind == "model" ? model : kind == "other shape" ? other : file(kind)
        expectRefusal(place.tiller("profile", "import", model, path), code: 1)
        #expect(place.digest(of: "model.tiller") == before)
    }

    @Test(arguments: [["show"], ["remove"], ["rename", "new"], ["export", "out.tillerprofile"]])
    func unknownProfilesAreAnsweredWithTheKnownOnes(command: [String]) {
        let model = place.convert("llama")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "known").status == 0)
        let arguments = ["profile", command[0], model, "unknown"] + command.dropFirst()
        expectRefusal(place.tiller(arguments), code: 1, saying: "'unknown'", "known")
        expectRefusal(
            place.tiller("generate", model, "--prompt", "x", "--steer", "unknown"), code: 1, saying: "known")
    }
}
