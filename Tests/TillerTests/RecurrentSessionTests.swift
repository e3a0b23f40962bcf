// SPDX-License-Identifier: Apache-2.0
// The state of a convolution or a delta rule cannot be cut back; sessions of such models go on from a copy, and say the same as one that never went on.

import Formats
import ModelFixtures
import TestSupport
import Testing
import Tiller

@Suite struct RecurrentSessionTests {
    private let folder = TemporaryFolder()

    /// A convolution alone, and the gated delta rule with one.
    private static let names = ["lfm2", "qwen35"]

    private func engine(_ name: String) throws -> Engine { try TinyModel(name).engine(.int8, in: folder) }

    private func fresh(_ engine: Engine, _ tokens: [Int32]) throws -> [Float] {
        let session = try engine.makeSession(contextLength: 2048)
        try session.evaluate(tokens)
        return session.currentLogits
    }

    private func tokens(_ count: Int) throws -> [Int32] {
        let own = try TinyModel("lfm2").tokens
        return (0..<count).map { own[$0 * 7 % own.count] }
    }

    /// The beginning and the end of each message are known; what was generated is not.
    @Test(arguments: names) func aSessionGoesBackToTheEndsOfMessages(name: String) throws {
        let engine = try engine(name), all = try tokens(60)
        let session = try engine.makeSession(contextLength: 2048)
        try session.evaluate(Array(all[..<20]))
        for token in all[20..<30] { try session.step(token) }
        try session.evaluate(Array(all[30..<50]))
        #expect(session.cachedTokenCount == 50)
        session.rewind(to: 30)
        #expect(session.cachedTokenCount == 30)
        try session.evaluate(Array(all[30..<50]))
        #expect(try session.currentLogits == fresh(engine, Array(all[..<50])))
        session.rewind(to: 27)
        #expect(session.cachedTokenCount == 20)
        try session.evaluate(Array(all[27..<60]))
        #expect(try session.currentLogits == fresh(engine, all))
        session.rewind(to: 3)
        #expect(session.cachedTokenCount == 0)
        try session.evaluate(Array(all[3..<40]))
        #expect(try session.currentLogits == fresh(engine, Array(all[..<40])))
    }

    @Test(arguments: names) func longMessagesAreKnownAtIntervals(name: String) throws {
        let engine = try engine(name), all = try tokens(1500)
        let session = try engine.makeSession(contextLength: 2048)
        try session.evaluate(all)
        session.rewind(to: 1200)
        #expect((1200 - 512...1200).contains(session.cachedTokenCount), "\(session.cachedTokenCount)")
        try session.evaluate([5])
        #expect(try session.currentLogits == fresh(engine, all[..<1200] + [5]))
    }

    /// More messages than copies: every state is still right, whichever copies were given up.
    @Test(arguments: names) func manyMessagesLeaveRightStates(name: String) throws {
        let engine = try engine(name), all = try tokens(120)
        let session = try engine.makeSession(contextLength: 2048)
        for start in stride(from: 0, to: 120, by: 3) { try session.evaluate(Array(all[start..<start + 3])) }
        for end in stride(from: 117, to: 0, by: -9) {
            session.rewind(to: end)
            #expect(session.cachedTokenCount <= end)
            try session.evaluate([7, 8])
            #expect(try session.currentLogits == fresh(engine, all[..<end] + [7, 8]))
            session.rewind(to: end)
        }
    }

    @Test(arguments: names) func copiesAndFilesGoOnAlike(name: String) throws {
        let engine = try engine(name), all = try tokens(40)
        let session = try engine.makeSession(contextLength: 2048)
        try session.evaluate(Array(all[..<20]))
        for token in all[20..<25] { try session.step(token) }
        let path = "\(folder.path)/history.session"
        try session.save(to: path)
        let copy = try session.fork(), restored = try engine.makeSession(contextLength: 2048)
        #expect(try restored.restore(from: path) == .restored(tokenCount: 25))
        for session in [session, copy, restored] {
            try session.evaluate(Array(all[25..<40]))
            #expect(try session.currentLogits == fresh(engine, all))
            session.rewind(to: 25)
            #expect(session.cachedTokenCount == 25)
        }
    }

    /// An evaluation that was stopped has changed some layers; none of it stays.
    @Test(arguments: names, 1...3) func whatWasStoppedLeavesNothing(name: String, looks: Int) throws {
        let engine = try engine(name), all = try tokens(40)
        let session = try engine.makeSession(contextLength: 2048)
        try session.evaluate(Array(all[..<20]))
        var left = looks
        try session.advance(to: all) {
            left -= 1
            return left >= 0
        }
        #expect(session.currentLogits.isEmpty)
        try session.advance(to: all)
        #expect(try session.currentLogits == fresh(engine, all))
    }

    /// Two timelines side by side, and batches that span several.
    @Test(arguments: names) func timelinesDoNotMix(name: String) throws {
        let engine = try engine(name), all = try tokens(80)
        let parts = [all[..<9], all[9..<40], all[40..<80]]
        let sessions = try parts.map { _ in try engine.makeSession(contextLength: 2048) }
        try Session.evaluate(Array(zip(sessions, parts)).map { ($0, $1) })
        for (session, part) in zip(sessions, parts) {
            try session.step(3)
            #expect(try session.currentLogits == fresh(engine, part + [3]))
        }
        let (first, second) = (sessions[0], sessions[1])
        try first.step(4, beside: second)
        #expect(try first.currentLogits == fresh(engine, parts[0] + [3, 4]))
        #expect(try second.currentLogits == fresh(engine, parts[1] + [3, 4]))
    }
}
