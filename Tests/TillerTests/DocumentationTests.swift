// SPDX-License-Identifier: Apache-2.0
// The tutorial's snippets, compiled and run: each stands here between two markers, line by line as in the text.

import Formats
import ModelFixtures
import Platform
import Steering
import TestSupport
import Testing
import Tiller
import TillerStreams

@Suite struct DocumentationTests {
    private let folder = TemporaryFolder()

    /// The tiny model with a profile of the tutorial's name.
    private func model() throws -> String {
        let path = try TinyModel("llama").convert(.int8, in: folder)
        let configuration = try TillerFile(path: path).manifest.configuration
        let profile = SteeringProfile(
            name: "cheerful", description: "", sourceHash: try TillerFile(path: path).manifest.source.sha256,
            hiddenSize: configuration.hiddenSize, layerCount: configuration.layerCount, method: "test",
            operations: [.init(.add, layer: 0, vector: 0, coefficient: 1)],
            residualRMS: Array(repeating: 1, count: configuration.layerCount), recommendedStrength: 1,
            minimumStrength: -4, maximumStrength: 4,
            vectors: [Array(repeating: 0.1, count: configuration.hiddenSize)])
        try TillerProfileStore.add(profile, in: path)
        return path
    }

    @Test func theTutorialRuns() async throws {
        let path = try model(), file = "\(folder.path)/history.session"
        // snippet: Load
        var options = Engine.Options()
        options.threads = 2
        let engine = try Engine(path: path, options: options)
        print(engine.modelName, engine.profileNames)
        // snippet: Ask
        let session = try engine.makeSession(contextLength: 64)
        let question = Message(role: "user", content: "How was your day?")
        try session.evaluate(engine.encode(conversation: [question]))
        // snippet: Steer
        try session.steer([AppliedProfile("cheerful", strength: 0.8)])
        // snippet: Stream
        var generation = GenerationOptions()
        generation.maximumTokens = 8
        generation.stopStrings = engine.turnStops
        for try await token in session.stream(generation) { print(token.text, terminator: "") }
        // snippet: Keep the state
        try session.save(to: file)
        let later = try engine.makeSession(contextLength: 64)
        try later.steer(session.steering)
        let outcome = try later.restore(from: file)
        // snippet: Handle errors
        do {
            try session.steer([AppliedProfile("nonsense")])
        } catch TillerError.invalidProfile(let text) {
            print(text)
        }
        // snippet: end
        #expect(outcome == .restored(tokenCount: session.tokens.count))
    }

    @Test func theTutorialSaysWhatIsCompiledHere() throws {
        func lines(_ path: String) throws -> [Substring] {
            String(decoding: try readFile(path: "\(packageRoot)/\(path)", limit: 1 << 20), as: UTF8.self)
                .split(separator: "\n", omittingEmptySubsequences: false)
        }
        var title = Substring(), isSnippet = false, written: [Substring: [String]] = [:]
        for line in try lines("Sources/Tiller/Tiller.docc/FirstSteps.md") {
            if line.hasPrefix("## ") { title = line.dropFirst(3) }
            if line.hasPrefix("```") {
                isSnippet = line == "```swift"
            } else if isSnippet {
                written[title, default: []].append(String(line))
            }
        }
        var name: Substring?, compiled: [Substring: [String]] = [:]
        for line in try lines("Tests/TillerTests/DocumentationTests.swift") {
            if line.hasPrefix("        // snippet: ") {
                name = line.dropFirst("        // snippet: ".count)
            } else if let name, name != "end" {
                compiled[name, default: []].append(String(line.dropFirst(8)))
            }
        }
        #expect(written.count == 6 && written == compiled)
    }
}
