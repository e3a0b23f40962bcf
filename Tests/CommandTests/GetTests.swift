// SPDX-License-Identifier: Apache-2.0
// From the Hub to an answer: a model is downloaded, and runs.

import Glibc
import TestSupport
import Testing

@Suite(.enabled(if: HubServer.isAvailable)) struct GetTests {
    private let place = Workplace()
    private let server: HubServer

    init() throws {
        let served = place.path("served")
        #expect(place.shell("mkdir -p '\(served)/tiny'").status == 0)
        #expect(symlink(packageRoot + "/Tests/Fixtures/folders/llama", served + "/tiny/llama") == 0)
        server = try #require(HubServer(serving: served))
    }

    private func get(_ arguments: String, _ scenario: String = "redirect", variables: String = "") -> Outcome
    {
        place.shell(
            "HF_ENDPOINT=http://127.0.0.1:\(server.port)/\(scenario) \(variables) $tiller get \(arguments)")
    }

    @Test func aDownloadedModelRuns() throws {
        let first = try get("tiny/llama --json").json
        let path = try #require(first["path"]?.stringValue)
        #expect(path == place.path(".cache/tiller/hub/tiny/llama"))
        #expect(first["fetched_bytes"]?.intValue == first["bytes"]?.intValue)
        let arguments = ["--prompt", "It was", "--temperature", "0", "--max-tokens", "8"]
        let answer = place.tiller(["generate", path] + arguments)
        let expected = place.tiller(["generate", packageRoot + "/Tests/Fixtures/folders/llama"] + arguments)
        #expect(answer.status == 0 && answer.output == expected.output, "\(answer.error)")

        let second = get("tiny/llama", variables: "HF_HUB_OFFLINE=1")
        #expect(second.status == 0 && second.error == "" && second.output.contains("nothing new"))
        #expect(second.output.contains("next      tiller chat \(path)"))

        let list = place.tiller("cache", "list").output
        #expect(list.contains("tiny/llama") && list.contains("tiller get tiny/llama"))
        #expect(place.tiller("cache", "clear", "tiny/llama").output.contains("freed"))
        #expect(place.shell("ls -A $folder/.cache/tiller/hub").output == "")
        expectRefusal(get("tiny/llama", variables: "HF_HUB_OFFLINE=1"), code: 1, saying: "HF_HUB_OFFLINE")
    }

    @Test func aDownloadThatFailsSaysWhyInOneLine() {
        expectRefusal(get("llama"), code: 2, saying: "'llama'", "OWNER/NAME")
        expectRefusal(get("tiny/llama", "damaged"), code: 1, saying: "SHA-256")
        expectRefusal(
            get("tiny/llama", "denied", variables: "HF_TOKEN=x"), code: 1, saying: "403", "conditions")
        expectRefusal(get("tiny/llama", variables: "HF_ENDPOINT=x"), code: 1, saying: "HF_ENDPOINT")
        expectRefusal(
            get("tiny/llama", variables: "XDG_CACHE_HOME=/proc/none"), code: 1, saying: "cannot be written")
    }
}
