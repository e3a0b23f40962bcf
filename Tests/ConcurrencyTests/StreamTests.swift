// SPDX-License-Identifier: Apache-2.0
// Streams: whatever way one ends, its session is free when the loop is left.

import Glibc
import ModelFixtures
import Steering
import TestSupport
import Testing
import Tiller
import TillerStreams

@Suite(.serialized) struct StreamTests {
    private struct Enough: Error {}

    private let folder = TemporaryFolder()
    private let model: TinyModel
    private let engine: Engine

    init() throws {
        model = try TinyModel("llama")
        let path = try model.convert(in: folder)
        try addMadeUpProfile(to: path)
        var options = Engine.Options()
        (options.threads, options.smallWork) = (2, 0)
        engine = try Engine(path: path, options: options)
    }

    private func options(_ count: Int) -> GenerationOptions {
        var options = GenerationOptions()
        options.sampling = .greedy
        options.maximumTokens = count
        options.ignoresEndOfGeneration = true
        options.reportsLogProbabilities = true
        return options
    }

    private func session() throws -> Session {
        let session = try engine.makeSession(contextLength: 20_000)
        try session.evaluate(model.greedyPrompt)
        return session
    }

    /// Uses a session as nobody may while another thread does, and compares with one that was never streamed.
    private func expectFree(_ session: Session, at place: String = "") throws {
        let count = session.tokens.count
        #expect(count >= model.greedyPrompt.count, "\(place)")
        // Nothing is added any more.
        usleep(2_000)
        #expect(session.tokens.count == count, "\(place)")
        let fresh = try engine.makeSession(contextLength: 20_000)
        try fresh.evaluate(session.tokens)
        try session.evaluate([5, 6, 7])
        try fresh.evaluate([5, 6, 7])
        #expect(session.currentLogits == fresh.currentLogits, "\(place)")
    }

    @Test func theStreamEqualsTheCall() async throws {
        let result = try session().generate(options(60))
        let streamed = try session()
        var tokens: [GeneratedToken] = []
        for try await token in streamed.stream(options(60)) { tokens.append(token) }
        #expect(tokens.map(\.token) == result.tokens)
        #expect(tokens.map(\.text).joined() == result.text)
        #expect(tokens.compactMap(\.logProbability) == result.logProbabilities)
        try expectFree(streamed)
    }

    @Test func aLoopThatIsLeftLeavesTheSessionFree() async throws {
        for count in 1...20 {
            let session = try session()
            var seen = 0
            for try await _ in session.stream(options(15_000)) {
                seen += 1
                if seen == count { break }
            }
            try expectFree(session, at: "\(count) tokens")
            #expect(session.tokens.count < 15_000, "the generation was stopped")
        }
    }

    @Test func aStreamThatIsStillReferredToEndsWithItsLoop() async throws {
        let session = try session()
        let stream = session.stream(options(15_000))
        for try await _ in stream { break }
        try expectFree(session)
        // Another iteration goes on from there.
        let count = session.tokens.count
        for try await _ in session.stream(options(3)) {}
        #expect(session.tokens.count == count + 3)
        withExtendedLifetime(stream) {}
    }

    @Test func anErrorInTheLoopLeavesTheSessionFree() async throws {
        let session = try session()
        await #expect(throws: Enough.self) {
            for try await _ in session.stream(options(15_000)) { throw Enough() }
        }
        try expectFree(session)
    }

    @Test func anIteratorThatIsDroppedLeavesTheSessionFree() async throws {
        let session = try session()
        do {
            var iterator = session.stream(options(15_000)).makeAsyncIterator()
            #expect(try await iterator.next() != nil)
        }
        try expectFree(session, at: "one token")
        do { _ = session.stream(options(15_000)).makeAsyncIterator() }
        try expectFree(session, at: "none")
        // A stream that nobody iterates does nothing.
        let count = session.tokens.count
        _ = session.stream(options(15_000))
        #expect(session.tokens.count == count)
    }

    @Test func aCancelledTaskEndsWithAFreeSession() async throws {
        for delay in [0, 100, 1_000, 5_000] as [UInt32] {
            let (engine, prompt, options) = (engine, model.greedyPrompt, options(15_000))
            let task = Task { () -> (seen: Int, generated: Int) in
                let session = try engine.makeSession(contextLength: 20_000)
                try session.evaluate(prompt)
                var seen = 0
                for try await _ in session.stream(options) { seen += 1 }
                let generated = session.tokens.count - prompt.count
                usleep(2_000)
                #expect(session.tokens.count - prompt.count == generated)
                return (seen, generated)
            }
            usleep(delay)
            task.cancel()
            let (seen, generated) = try await task.value
            #expect(seen == generated && seen >= 1)
        }
    }

    /// What steering made invalid is evaluated before the first token: leaving does not wait for all of that.
    @Test func leavingDoesNotWaitForALongPrompt() async throws {
        let count = 8_000
        let session = try engine.makeSession(contextLength: 2 * count)
        try session.evaluate((0..<count).map { Int32($0 * 31 % 280) })
        try session.steer([AppliedProfile("made-up")])
        do { _ = session.stream(options(5)).makeAsyncIterator() }
        #expect(session.cachedTokenCount < count && session.tokens.count == count)
    }

    @Test func manyStreamsOfOneEngineAtOnce() async throws {
        let (engine, model, options) = (engine, model, options(40))
        let expected = try session().generate(options).tokens
        try await withThrowingTaskGroup(of: [Int32].self) { group in
            for index in 0..<8 {
                group.addTask {
                    let session = try engine.makeSession(contextLength: 20_000)
                    try session.evaluate(model.greedyPrompt)
                    var tokens: [Int32] = []
                    for try await token in session.stream(options) {
                        tokens.append(token.token)
                        if tokens.count == 10 + 5 * index { break }
                    }
                    return tokens
                }
            }
            for try await tokens in group {
                #expect(tokens.count >= 10 && tokens == Array(expected.prefix(tokens.count)))
            }
        }
    }

    @Test func errorsOfAGenerationAreThrown() async throws {
        let empty = try engine.makeSession(contextLength: 64)
        await #expect(throws: TillerError.self) {
            for try await _ in empty.stream(options(5)) { Issue.record("there is nothing to continue") }
        }
        var iterator = empty.stream(options(5)).makeAsyncIterator()
        await #expect(throws: TillerError.self) { _ = try await iterator.next() }
        #expect(try await iterator.next() == nil, "an error is thrown once")
    }
}
