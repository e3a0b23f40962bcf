// SPDX-License-Identifier: Apache-2.0
// Parts of several timelines in one pass over the weights.

import Steering
import Testing
import Tiller

@Suite struct TimelineBatchTests {
    private let models = SteeringSessionTests()
    /// Together more than a batch, which ends within one of them; one adds nothing.
    private static let lengths = [1, 50, 0, 37, 60, 24]

    /// Timelines of different beginnings, every other one steered.
    private func sessions(_ engine: Engine, _ kind: String, _ tokens: [Int32]) throws -> [Session] {
        try Self.lengths.indices.map { index in
            let session = try engine.makeSession()
            try session.steer(index % 2 == 0 ? [AppliedProfile(kind)] : [])
            if index > 1 { try session.evaluate(Array(tokens.prefix(3 * index))) }
            return session
        }
    }

    private func part(_ index: Int, of tokens: [Int32]) -> ArraySlice<Int32> {
        ArraySlice((0..<Self.lengths[index]).map { tokens[(5 * index + $0) % tokens.count] })
    }

    @Test(arguments: SteeringSessionTests.kinds, SteeringSessionTests.models)
    func timelinesTogetherAreTimelinesAloneBitForBit(kind: String, name: String) throws {
        for (int8, threads) in [(false, 2), (true, 1), (true, 2)] {
            let (engine, model) = try models.engine(name, kind, int8: int8, threads: threads)
            let alone = try sessions(engine, kind, model.tokens)
            let together = try sessions(engine, kind, model.tokens)
            let unseen = try sessions(engine, kind, model.tokens)
            var expected: [[Float]] = [], found: [[Float]] = [], places: [[Int]] = []
            for (index, session) in alone.enumerated() {
                try session.evaluate(part(index, of: model.tokens)) { position, logits in
                    places.append([index, position])
                    expected.append(Array(logits))
                }
            }
            try Session.evaluate(
                together.enumerated().map { ($1, part($0, of: model.tokens)) }
            ) { index, position, logits in
                #expect(places[found.count] == [index, position])
                found.append(Array(logits))
            }
            try Session.evaluate(unseen.enumerated().map { ($1, part($0, of: model.tokens)) })
            #expect(found.count == Self.lengths.reduce(0, +) && found == expected)
            // What was cached together serves single steps.
            for (index, session) in alone.enumerated() {
                for other in [together[index], unseen[index]] {
                    #expect(other.tokens == session.tokens)
                    try other.step(7)
                }
                try session.step(7)
                #expect(together[index].currentLogits == session.currentLogits)
                #expect(unseen[index].currentLogits == session.currentLogits)
            }
        }
    }

    @Test func aTimelineWithoutRoomStaysAsItIs() throws {
        let (engine, model) = try models.engine("llama", "add")
        let (roomy, full) = (try engine.makeSession(), try engine.makeSession(contextLength: 8))
        try full.evaluate(Array(model.tokens.prefix(6)))
        let error = #expect(throws: TillerError.self) {
            try Session.evaluate([(roomy, model.tokens[..<5]), (full, model.tokens[..<3])])
        }
        #expect(error?.description.contains("needs 3 tokens of context, 2 are left") == true)
        #expect(full.tokens == Array(model.tokens.prefix(6)))
        // Nor does the other one believe that its tokens were evaluated.
        let fresh = try engine.makeSession()
        try fresh.evaluate(Array(model.tokens.prefix(5)) + [7])
        try roomy.evaluate([7])
        #expect(roomy.tokens == fresh.tokens && roomy.currentLogits == fresh.currentLogits)
    }
}
