// SPDX-License-Identifier: Apache-2.0
// Conversations over a pipe: the same lines as in a terminal, one each.

import JSON
import Testing

@Suite struct ChatTests {
    private let place = Workplace()

    private func chat(_ model: String, _ lines: String..., options: [String] = []) -> Outcome {
        place.tiller(
            ["chat", model, "--max-tokens", "6", "--temperature", "0"] + options,
            input: Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    private func steerable() -> String {
        let model = place.convert("llama")
        let vector = Workplace.fixtures + "/llama.steering.gguf"
        #expect(place.tiller("profile", "import", model, vector, "--name", "v").status == 0)
        return model
    }

    @Test func everyCommandWorksInAPipe() throws {
        let model = steerable()
        let outcome = chat(
            model, "/help", "/system Be brief.", "hello", "/stats", "/steer v=2", "/steer", "/regenerate",
            "/compare", "/steer off", "/compare v=1", "/save \(place.path("c.json"))", "/undo", "/reset",
            "/load \(place.path("c.json"))", "/save \(place.path("d.json"))", "/quit", "never read")
        #expect(outcome.status == 0, "\(outcome.error)")
        for text in [
            "/steer  ", "system message set", "new tokens", "steering: v=2.0", "│",
            "no steering; profiles: v",
            "saved 3 messages", "removed: hello", "a new conversation", "loaded 3 messages",
        ] {
            #expect(outcome.output.contains(text), "\(text)")
        }
        #expect(!outcome.output.contains("\u{1B}"), "colours are for terminals")
        #expect(place.digest(of: "c.json") == place.digest(of: "d.json"))
        let saved = try JSON.parse(place.bytes(of: "c.json"))["messages"]?.arrayValue ?? []
        #expect(saved.map { $0["role"]?.stringValue } == ["system", "user", "assistant"])
    }

    @Test func theNextTurnReusesWhatIsCached() throws {
        let outcome = chat(place.convert("llama"), "hello there", "/stats", "and", "/stats")
        let counts = outcome.output.split(separator: "\n").filter { $0.hasPrefix("prompt ") }.compactMap {
            Int($0.split(separator: " ")[1])
        }
        let context = outcome.output.split(separator: "\n").filter { $0.hasPrefix("context ") }.compactMap {
            Int($0.split(separator: " ")[1])
        }
        #expect(counts.count == 2 && context.count == 2)
        // Everything up to the end of the first answer stays; special tokens may end it otherwise than drawn.
        #expect(counts[1] <= context[1] - context[0])
    }

    @Test(arguments: [
        "/nonsense", "/steer nope", "/steer v=nan", "/load nofile", "/save", "/load", "/compare",
        "/regenerate",
        "/undo", "/save /nonexistent/folder/file",
    ])
    func whatFailsInAPipeFailsTheChat(line: String) {
        let outcome = chat(steerable(), line, "hello")
        #expect(outcome.status == 1 || outcome.status == 2)
        expectRefusal(outcome, code: outcome.status)
    }

    @Test func aMessageMayBeginWithASlash() throws {
        let model = steerable()
        expectRefusal(
            chat(model, "/usr/bin/env is missing", "hello"), code: 2, saying: "/usr/bin/env", "//", "a space")
        let outcome = chat(model, "//usr/bin/env is missing", " /quit", "//", "/save \(place.path("c.json"))")
        #expect(outcome.status == 0, "\(outcome.error)")
        let saved = try JSON.parse(place.bytes(of: "c.json"))["messages"]?.arrayValue ?? []
        let questions = saved.filter { $0["role"]?.stringValue == "user" }
        #expect(questions.map { $0["content"]?.stringValue } == ["/usr/bin/env is missing", "/quit", "/"])
    }

    @Test func whatIsTakenBackIsShownAndNotObeyed() {
        place.write(
            #"{"messages": [{"role": "user", "content": "\u001b]0;x\u0007\u202e\u009by"}]}"#, to: "evil.json")
        let outcome = chat(steerable(), "/load \(place.path("evil.json"))", "/undo")
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("removed: \u{FFFD}]0;x\u{FFFD}\u{FFFD}\u{FFFD}y"))
    }

    @Test func aStopEndsAnAnswer() throws {
        let model = steerable()
        let (first, second) = (chat(model, "hi").output, chat(model, "hi", options: ["--stop", "X"]).output)
        #expect(first == second)
        let letter = try #require(first.first { $0.isLetter })
        let stopped = chat(model, "hi", options: ["--stop", "X", "--stop", String(letter)]).output
        #expect(stopped == first.prefix { $0 != letter } + "\n")
    }

    @Test func onlySavedConversationsAreWrittenOver() {
        let model = place.convert("llama")
        place.write("precious", to: "notes.txt")
        expectRefusal(
            chat(model, "/save \(place.path("notes.txt"))"), code: 1, saying: "not a saved conversation")
        #expect(place.text(of: "notes.txt") == "precious")
    }

    @Test func aConversationThatGetsTooLongSaysSo() {
        let outcome = chat(place.convert("llama"), String(repeating: "word ", count: 200))
        expectRefusal(outcome, code: 2, saying: "/undo", "--context")
    }

    @Test func theDialogueOfAModelWithoutTemplateStopsBeforeTheUser() throws {
        // The qwen2 model's own template is taken out, so that it is prompted as a plain dialogue.
        var bytes = Workplace.bytes(at: Workplace.fixtures + "/qwen2.gguf")
        let key = Array("tokenizer.chat_template".utf8)
        if let start = bytes.indices.first(where: { bytes[$0...].starts(with: key) }) {
            bytes[start + key.count - 1] = UInt8(ascii: "_")
        }
        place.write(bytes, to: "base.gguf")
        let model = place.path("base.tiller")
        #expect(place.tiller("convert", place.path("base.gguf"), model).status == 0)
        #expect(place.tiller("inspect", model).output.contains("template    none"))
        let answer = place.tiller(
            "generate", model, "--chat", "--prompt", "hi", "--max-tokens", "40", "--json", "--seed", "1")
        #expect(answer.status == 0)
        #expect(try answer.json["text"]?.stringValue?.contains("\nUser:") == false)
        #expect(chat(model, "hi", "more", "/stats").status == 0)
    }
}
