// SPDX-License-Identifier: Apache-2.0
// What lay there before stays whole, whatever happens: interrupts, full disks, readers that go away.

import Glibc
import TestSupport
import Testing

@Suite struct SurvivalTests {
    private let place = Workplace()

    /// Runs until `file` exists, sends a signal, and waits for the end.
    private func interrupt(_ signal: Int32, when file: String, _ arguments: [String]) -> Outcome {
        let process = place.start(Workplace.executable, arguments)
        var rounds = 0
        while !place.exists(file), rounds < 50_000 {
            usleep(200)
            rounds += 1
        }
        kill(process, signal)
        return place.finish(process)
    }

    @Test(arguments: [
        (SIGINT, "model.tiller.unfinished.scratch.partial"), (SIGTERM, "model.tiller.unfinished.partial"),
        (SIGTERM, "model.tiller.partial"),
    ])
    func anInterruptedConversionLeavesEverythingAsItWas(signal: Int32, file: String) throws {
        let source = try place.writeSlowModel()
        place.write("what lay there before", to: "model.tiller")
        let isCalibrated = file != "model.tiller.partial"
        let outcome = interrupt(
            signal, when: file,
            ["convert", source, place.path("model.tiller"), "--force", "--threads", "1"]
                + (isCalibrated ? [] : ["--calibration", "none"]))
        expectRefusal(outcome, code: 130, saying: "interrupted")
        #expect(place.text(of: "model.tiller") == "what lay there before")
        for ending in ["", ".scratch"] {
            #expect(!place.exists("model.tiller.unfinished\(ending)"))
            #expect(!place.exists("model.tiller.unfinished\(ending).partial"))
        }
        #expect(!place.exists("model.tiller.partial"))
    }

    @Test func interruptedTrainingLeavesTheModelAsItWas() {
        let model = place.convert("llama")
        place.write(String(repeating: somePairs, count: 20_000), to: "pairs.jsonl")
        let before = place.digest(of: "model.tiller")
        let process = place.start(
            Workplace.executable,
            [
                "profile", "train", model, "--pairs", place.path("pairs.jsonl"), "--name", "n", "--max-pairs",
                "1000000",
            ])
        usleep(200_000)
        kill(process, SIGINT)
        expectRefusal(place.finish(process), code: 130, saying: "interrupted")
        #expect(place.digest(of: "model.tiller") == before)
        #expect(place.tiller("verify", model).status == 0)
    }

    @Test func aCommandThatOnlyReadsIsInterruptedToo() {
        let model = place.convert("llama")
        place.write(String(repeating: "some words in a row ", count: 100_000), to: "long.txt")
        let process = place.start(
            Workplace.executable,
            [
                "evaluate", "perplexity", model, "--text", place.path("long.txt"), "--context", "64",
                "--threads", "1",
            ])
        usleep(200_000)
        kill(process, SIGINT)
        expectRefusal(place.finish(process), code: 130, saying: "interrupted")
    }

    @Test func anExistingOutputIsOnlyReplacedOnRequest() {
        let source = Workplace.fixtures + "/llama.gguf"
        place.write("precious", to: "model.tiller")
        let path = place.path("model.tiller")
        expectRefusal(place.tiller("convert", source, path), code: 1, saying: "--force")
        #expect(place.text(of: "model.tiller") == "precious")
        #expect(place.tiller("convert", source, path, "--force").status == 0)
        #expect(place.tiller("verify", path).status == 0)
    }

    @Test func aFailedConversionDoesNotTouchTheOutput() {
        place.write("no model", to: "bad.gguf")
        place.write("precious", to: "model.tiller")
        expectRefusal(
            place.tiller("convert", place.path("bad.gguf"), place.path("model.tiller"), "--force"), code: 1)
        #expect(place.text(of: "model.tiller") == "precious")
    }

    @Test func theSourceIsNoOutput() {
        place.write(Workplace.bytes(at: Workplace.fixtures + "/llama.gguf"), to: "a.gguf")
        let before = place.digest(of: "a.gguf")
        link(place.path("a.gguf"), place.path("b.gguf"))
        for output in ["a.gguf", "b.gguf"] {
            expectRefusal(
                place.tiller("convert", place.path("a.gguf"), place.path(output), "--force"), code: 1,
                saying: "the source itself")
        }
        #expect(place.digest(of: "a.gguf") == before)
    }

    @Test(arguments: ["nowhere/model.tiller", "file/model.tiller"])
    func anOutputWithoutAFolderIsRefused(name: String) {
        place.write("a file", to: "file")
        expectRefusal(
            place.tiller("convert", Workplace.fixtures + "/llama.gguf", place.path(name)), code: 1,
            saying: name)
    }

    @Test func aFolderOrADeviceIsNotWrittenOver() {
        for output in [place.folder.path, "/dev/null"] {
            expectRefusal(
                place.tiller("convert", Workplace.fixtures + "/llama.gguf", output, "--force"), code: 1,
                saying: output)
        }
    }

    @Test func aFolderThatCannotBeWrittenIsNamed() {
        // Permissions do not bind the administrator.
        guard getuid() != 0 else { return }
        mkdir(place.path("locked"), 0o500)
        defer { rmdir(place.path("locked")) }
        expectRefusal(
            place.tiller("convert", Workplace.fixtures + "/llama.gguf", place.path("locked/m")), code: 1,
            saying: "permissions")
    }

    @Test func aFileThatGetsTooLargeIsCleanedUp() {
        place.write("precious", to: "model.tiller")
        let outcome = place.shell(
            "ulimit -f 50; exec \"$tiller\" convert '\(Workplace.fixtures)/llama.gguf' \"$folder/model.tiller\" "
                + "--weights f32 --force")
        expectRefusal(outcome, code: 1, saying: "cannot write")
        #expect(place.text(of: "model.tiller") == "precious")
        #expect(!place.exists("model.tiller.partial"))
    }

    @Test func anAppendThatFailsLeavesTheModelValid() {
        let model = place.convert("llama")
        // As many blocks of 512 bytes as the file has now: nothing can be added.
        let blocks = (place.bytes(of: "model.tiller").count + 511) / 512
        let outcome = place.shell(
            "ulimit -f \(blocks); exec \"$tiller\" profile import \"$folder/model.tiller\" "
                + "'\(Workplace.fixtures)/llama.steering.gguf'")
        // Shells count in blocks of 512 or 1024 bytes; with the larger ones the profile may fit.
        #expect(outcome.status == 1 || outcome.status == 0)
        #expect(place.tiller("verify", model).status == 0)
    }

    @Test func aReaderThatGoesAwayIsNoError() {
        _ = place.convert("llama")
        for command in [
            "inspect \"$folder/model.tiller\" --tensors",
            "generate \"$folder/model.tiller\" --prompt hello --max-tokens 100",
            "--help",
        ] {
            let outcome = place.shell(
                "{ \"$tiller\" \(command); echo $? >\"$folder/status\"; } | head -c 1 >/dev/null")
            #expect(outcome.error == "")
            #expect(place.text(of: "status") == "0\n")
        }
    }

    @Test func aFullStandardOutputIsAnError() {
        _ = place.convert("llama")
        expectRefusal(
            place.shell("exec \"$tiller\" inspect \"$folder/model.tiller\" >/dev/full"), code: 1,
            saying: "standard output")
    }

    @Test func whatIsPrintedNeverGetsIntoAFileThatTakesTheNumberOfAMissingStream() {
        _ = place.convert("llama")
        for missing in [">&-", "2>&-", "<&- >&- 2>&-"] {
            let outcome = place.shell(
                "exec \"$tiller\" convert '\(Workplace.fixtures)/llama.gguf' \"$folder/second.tiller\" --force \(missing)"
            )
            // Standard output cannot be written where it is missing; the file is whole in either case.
            #expect(outcome.status == (missing == "2>&-" ? 0 : 1), "\(missing): \(outcome.error)")
            let found = place.tiller("verify", place.path("second.tiller"))
            #expect(found.status == 0, "\(missing): \(found.error)")
            #expect(place.bytes(of: "second.tiller").count == place.bytes(of: "model.tiller").count)
        }
    }
}
