// SPDX-License-Identifier: Apache-2.0
// What lay there before stays whole, whatever happens: interrupts, full disks, readers that go away.

import Glibc
import TestSupport
import Testing

@Suite struct SurvivalTests {
    private let place = Workplace()

    /// How many files without a name a process has open in this folder: they are counted by their numbers, for `seen` keeps
    /// those that it had.
    private func countNameless(of process: pid_t, _ seen: inout Set<String>) -> Int {
        guard let folder = opendir("/proc/\(process)/fd") else { return seen.count }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = readlink("/proc/\(process)/fd/\(name)", &buffer, buffer.count)
            let target = String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
            if target.hasPrefix(place.folder.path), target.hasSuffix("(deleted)") { seen.insert(target) }
        }
        return seen.count
    }

    /// Runs until the process writes its file of that number, sends a signal, and waits for the end.
    private func interrupt(_ signal: Int32, whenFile number: Int, _ arguments: [String]) -> Outcome {
        let process = place.start(Workplace.executable, arguments)
        var rounds = 0
        var seen: Set<String> = []
        while countNameless(of: process, &seen) < number, rounds < 50_000 {
            usleep(200)
            rounds += 1
        }
        kill(process, signal)
        return place.finish(process)
    }

    /// With calibration, the first file is a copy that runs, the second the output.
    @Test(arguments: [(SIGINT, 1, true), (SIGTERM, 2, true), (SIGTERM, 1, false), (SIGKILL, 1, false)])
    func anInterruptedConversionLeavesEverythingAsItWas(
        signal: Int32, number: Int, isCalibrated: Bool
    ) throws {
        let source = try place.writeSlowModel()
        place.write("what lay there before", to: "model.tiller")
        let outcome = interrupt(
            signal, whenFile: number,
            ["convert", source, place.path("model.tiller"), "--force", "--threads", "1"]
                + (isCalibrated ? [] : ["--calibration", "none"]))
        if signal == SIGKILL {
            #expect(outcome.status == -SIGKILL)
        } else {
            expectRefusal(outcome, code: 128 + signal, saying: "interrupted")
        }
        #expect(place.text(of: "model.tiller") == "what lay there before")
        #expect(place.folder.partialNames == [])
    }

    @Test(arguments: [false, true])
    func conversionsOfOneOutputEndWithOneWholeFile(isForced: Bool) {
        let source = Workplace.fixtures + "/llama.gguf"
        let line = "\"$tiller\" convert '\(source)' \"$folder/model.tiller\" --weights f16 --calibration none"
        let one =
            "{ \(line)\(isForced ? " --force" : "") 2>\"$folder/$1.err\"; echo $? >\"$folder/$1.status\"; }"
        let all = (1...4).map { one.replacing("$1", with: "\($0)") + " & " }.joined()
        #expect(place.shell(all + "wait").status == 0)
        let ends = (1...4).map { place.text(of: "\($0).status") }
        #expect(ends.filter { $0 == "0\n" }.count == (isForced ? 4 : 1))
        for index in 1...4 where ends[index - 1] != "0\n" {
            #expect(ends[index - 1] == "1\n")
            #expect(place.text(of: "\(index).err").contains("model.tiller"))
        }
        #expect(place.tiller("verify", place.path("model.tiller")).status == 0)
        #expect(place.folder.partialNames == [])
    }

    @Test func aModelThatIsCutOffWhileItIsReadIsNamed() {
        let model = place.convert("llama")
        // It is open when the first message has been answered.
        let outcome = place.shell(
            "mkfifo \"$folder/in\"; \"$tiller\" chat \"$folder/model.tiller\" --max-tokens 2 <\"$folder/in\" >\"$folder/out\" & "
                + "exec 3>\"$folder/in\"; echo hello >&3; "
                + "while ! [ -s \"$folder/out\" ]; do kill -0 $! || exit 9; sleep 0.01; done; "
                + ": >\"$folder/model.tiller\"; echo again >&3; wait $!")
        expectRefusal(outcome, code: 1, saying: "\(model) was truncated or changed while it was in use")
        #expect(outcome.errorLines.count == 1)
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
        #expect(place.folder.partialNames == [])
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
