// SPDX-License-Identifier: Apache-2.0
// No command writes over a device, a pipe, a folder or what it reads, whatever name leads there.

import Glibc
import TestSupport
import Testing

/// Every command that writes a file; capitals stand for the files of a test.
private let writers = [
    ["convert", "GGUF", "OUT", "--force"],
    ["convert", "GGUF", "OUT", "--force", "--calibration", "none"],
    ["convert", "MODEL", "OUT", "--force", "--weights", "f16"],
    ["profile", "export", "MODEL", "v", "OUT", "--force"],
    ["profile", "export", "MODEL", "v", "OUT.gguf", "--force"],
    ["bundle", "MODEL", "OUT", "--runtime", "TILLER", "--force"],
    ["unbundle", "BUNDLE", "OUT", "--force"],
    ["evaluate", "logits", "MODEL", "--tokens", "IDS", "--output", "OUT", "--force"],
    ["expert", "capture", "MODEL", "--pairs", "PAIRS", "--output", "OUT", "--force"],
]

@Suite struct OutputTests {
    private let place = Workplace()

    /// Makes all inputs, and runs a command with the paths of files in the place of capitals.
    private func prepare() {
        let model = place.convert("llama")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "v").status == 0)
        let bundle = place.tiller(
            "bundle", model, place.path("bundle"), "--runtime", Workplace.executable)
        #expect(bundle.status == 0, "\(bundle.error)")
        place.write("[[1, 2], [3]]", to: "ids.json")
        place.write(somePairs, to: "pairs.jsonl")
        place.write(Workplace.bytes(at: Workplace.fixtures + "/llama.gguf"), to: "source.gguf")
    }

    private func run(_ arguments: [String], output: String) -> Outcome {
        let names = [
            "GGUF": place.path("source.gguf"), "MODEL": place.path("model.tiller"),
            "BUNDLE": place.path("bundle"), "TILLER": Workplace.executable, "IDS": place.path("ids.json"),
            "PAIRS": place.path("pairs.jsonl"), "OUT": output, "OUT.gguf": output + ".gguf",
        ]
        return place.tiller(arguments.map { names[$0] ?? $0 })
    }

    private func target(of name: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink(place.path(name), &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    @Test(arguments: writers)
    func linksToDevicesPipesAndFoldersStay(arguments: [String]) {
        prepare()
        precondition(mkfifo(place.path("pipe"), 0o600) == 0)
        precondition(symlink("null", place.path("between")) == 0)
        let suffix = arguments.contains("OUT.gguf") ? ".gguf" : ""
        for (name, to) in [
            ("null", "/dev/null"), ("chain", "null" + suffix), ("fifo", "pipe"), ("here", "."),
            ("stdout", "/proc/self/fd/1"), ("gone", "/proc/self/fd/98"),
        ] {
            precondition(symlink(to, place.path(name + suffix)) == 0)
            expectRefusal(
                run(arguments, output: place.path(name)), code: 1, saying: place.path(name + suffix),
                to == "." ? "this is a folder" : to.hasPrefix("/proc") ? "open file" : "pipe or a device")
            #expect(target(of: name + suffix) == to)
        }
    }

    @Test(arguments: writers)
    func linksToFilesAndToNothingAreReplaced(arguments: [String]) {
        prepare()
        let suffix = arguments.contains("OUT.gguf") ? ".gguf" : ""
        place.write("old", to: "old")
        for (name, to) in [("file", "old"), ("nothing", "nowhere")] {
            precondition(symlink(to, place.path(name + suffix)) == 0)
            let outcome = run(arguments, output: place.path(name))
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(target(of: name + suffix) == nil)
        }
        #expect(place.text(of: "old") == "old")
        #expect(!place.exists("nowhere"))
    }

    @Test func standardOutputAsAPipeStays() {
        prepare()
        precondition(symlink("/proc/self/fd/1", place.path("out")) == 0)
        let outcome = place.shell(
            """
            { "$tiller" evaluate logits "$folder/model.tiller" --tokens "$folder/ids.json" \
            --output "$folder/out" --force; echo "exit $?" >&2; } | wc -c
            """)
        #expect(outcome.error.contains("pipe or a device") && outcome.error.contains("exit 1"))
        #expect(outcome.output.contains("0"))
        #expect(target(of: "out") == "/proc/self/fd/1")
    }

    @Test(arguments: [
        ("GGUF", "the source", ["convert", "GGUF", "OUT", "--force"]),
        ("MODEL", "the source", ["convert", "MODEL", "OUT", "--force", "--calibration", "none"]),
        (
            "TEXT", "the text of --calibration",
            ["convert", "GGUF", "OUT", "--force", "--calibration", "TEXT"]
        ),
        ("MODEL", "the model", ["profile", "export", "MODEL", "v", "OUT", "--force"]),
        ("KEY", "the key", ["profile", "export", "MODEL", "v", "OUT", "--force", "--sign", "ada"]),
        ("MODEL", "the model", ["bundle", "MODEL", "OUT", "--runtime", "TILLER", "--force"]),
        ("PROGRAM", "the program", ["bundle", "MODEL", "OUT", "--runtime", "PROGRAM", "--force"]),
        ("BUNDLE", "the bundle", ["unbundle", "BUNDLE", "OUT", "--force"]),
        (
            "MODEL", "the model",
            ["evaluate", "logits", "MODEL", "--tokens", "IDS", "--output", "OUT", "--force"]
        ),
        (
            "IDS", "--tokens",
            ["evaluate", "logits", "MODEL", "--tokens", "IDS", "--output", "OUT", "--force"]
        ),
        (
            "MODEL", "the model",
            ["expert", "capture", "MODEL", "--pairs", "PAIRS", "--output", "OUT", "--force"]
        ),
        (
            "PAIRS", "--pairs",
            ["expert", "capture", "MODEL", "--pairs", "PAIRS", "--output", "OUT", "--force"]
        ),
        (
            "TEXT", "--texts",
            ["expert", "capture", "MODEL", "--texts", "TEXT", "--output", "OUT", "--force"]
        ),
    ])
    func noCommandReplacesWhatItReads(input: String, role: String, arguments: [String]) {
        prepare()
        place.write(String(repeating: "words and words ", count: 200), to: "text.txt")
        place.write(Workplace.bytes(at: Workplace.executable), to: "program")
        #expect(place.tiller("keys", "new", "ada").status == 0)
        let files = [
            "GGUF": "source.gguf", "MODEL": "model.tiller", "BUNDLE": "bundle", "IDS": "ids.json",
            "PAIRS": "pairs.jsonl", "TEXT": "text.txt", "PROGRAM": "program",
            "KEY": ".config/tiller/keys/ada.key",
        ]
        let file = files[input] ?? ""
        let before = place.digest(of: file)
        precondition(link(place.path(file), place.path("other")) == 0)
        precondition(symlink(file, place.path("alias")) == 0)
        precondition(symlink("alias", place.path("chain")) == 0)
        // A writer of `new` would take this for what another left.
        precondition(link(place.path(file), place.path("new.0123456789abcdef.partial")) == 0)
        for output in [file, "other", "alias", "chain", "./" + file, "new"] {
            let names = files.mapValues(place.path).merging([
                "OUT": place.path(output), "TILLER": Workplace.executable,
            ]) { $1 }
            let outcome = place.tiller(arguments.map { names[$0] ?? $0 })
            expectRefusal(outcome, code: 1, saying: "\(place.path(output)) is \(role) itself")
            #expect(place.digest(of: file) == before)
        }
        #expect(target(of: "alias") == file && target(of: "chain") == "alias")
    }

    @Test func noReportReplacesWhatItIsMadeFrom() {
        prepare()
        place.write(somePairs, to: "v.calibration.json")
        let outcome = place.tiller(
            "profile", "calibrate", place.path("model.tiller"), "v", "--validation",
            place.path("v.calibration.json"), "--report", place.folder.path)
        #expect(outcome.status == 1)
        #expect(outcome.error.contains("v.calibration.json is --validation itself"), "\(outcome.error)")
        #expect(place.text(of: "v.calibration.json") == somePairs)
    }

    @Test func compactingThroughALinkCompactsTheModel() {
        prepare()
        precondition(symlink("model.tiller", place.path("alias")) == 0)
        #expect(place.tiller("profile", "remove", place.path("model.tiller"), "v").status == 0)
        let before = place.bytes(of: "model.tiller").count
        #expect(place.tiller("compact", place.path("alias")).status == 0)
        #expect(target(of: "alias") == "model.tiller")
        #expect(place.bytes(of: "model.tiller").count < before)
        #expect(place.tiller("verify", place.path("model.tiller")).status == 0)
    }

    @Test func aKeyIsWrittenWholeOrNotAtAll() {
        #expect(place.tiller("keys", "new", "ada").status == 0)
        let keys = ".config/tiller/keys/"
        precondition(symlink("/dev/null", place.path(keys + "eve.pub")) == 0)
        expectRefusal(place.tiller("keys", "new", "eve"), code: 1, saying: "eve.pub", "pipe or a device")
        #expect(!place.exists(keys + "eve.key"))
        precondition(symlink("nowhere", place.path(keys + "bob.key")) == 0)
        expectRefusal(place.tiller("keys", "new", "bob"), code: 1, saying: "bob.key")
        #expect(target(of: keys + "bob.key") == "nowhere" && !place.exists(keys + "bob.pub"))
    }
}
