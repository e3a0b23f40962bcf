// SPDX-License-Identifier: Apache-2.0
// Commands under `ulimit -v`: memory that runs out is exit code 1 and one line, wherever it runs out. The whole of it is
// tools/check/address-space.

import TestSupport
import Testing

@Suite struct AddressSpaceTests {
    private let place = Workplace()

    private func run(_ command: String, limit: Int) -> Outcome {
        place.shell("ulimit -v \(limit); exec \"$tiller\" \(command) </dev/null")
    }

    /// The least kB under which the program starts at all.
    private func leastLimit() -> Int {
        var (low, high) = (1 << 10, 1 << 22)
        while high - low > 256 {
            let middle = (low + high) / 2
            if run("--version", limit: middle).status == 0 { high = middle } else { low = middle }
        }
        return high
    }

    @Test func memoryThatRunsOutIsAnError() throws {
        let model = place.convert("llama"), least = leastLimit()
        let commands = [
            "generate \(model) --prompt 'The cat' --max-tokens 4 --seed 1", "verify \(model)",
            "chat \(model)",
            "inspect \(model)",
            "convert '\(Workplace.fixtures)/llama.gguf' $folder/out.tiller --force --calibration none",
        ]
        var refusals = 0
        for command in commands {
            var limit = least
            while true {
                let outcome = run(command, limit: limit)
                if outcome.status == 0 { break }
                refusals += 1
                #expect(
                    outcome.status == 1 && outcome.errorLines.count == 1,
                    "\(command) under \(limit) kB: \(outcome.status), \(outcome.error)")
                limit += 1024
                try #require(limit < least + (1 << 20), "\(command) never succeeds")
            }
        }
        // Generating alone needs megabytes more than starting does.
        #expect(refusals > 2)
    }
}
