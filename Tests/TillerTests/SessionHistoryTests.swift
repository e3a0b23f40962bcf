// SPDX-License-Identifier: Apache-2.0
// What a session says depends on the tokens it is advanced to and on its steering, not on how it came there.

import Formats
import ModelFixtures
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct SessionHistoryTests {
    private let folder = TemporaryFolder()

    private var greedy: GenerationOptions {
        var options = GenerationOptions()
        options.sampling = .greedy
        options.maximumTokens = 4
        options.ignoresEndOfGeneration = true
        return options
    }

    /// Names of profiles of several kinds, each for both phases or one.
    private static let phases: [SteeringProfile.Phase] = [.prompt, .generation, .both]

    /// A model with profiles of all kinds and phases.
    private func engine(_ name: String, int8: Bool) throws -> (engine: Engine, profiles: [String]) {
        let path = try TinyModel(name).convert(int8 ? .int8 : .float32, in: folder)
        var profiles: [String] = []
        for kind in ["add", "rotate", "headAdd", "keepsNorm", "tokenGate", "promptGate", "positions"] {
            for phase in Self.phases where kind != "promptGate" || phase != .prompt {
                var profile = SteeringSessionTests().profile(
                    kind, of: try TillerFile(path: path), phase: phase)
                profile.name = "\(kind)-\(phase)"
                profiles.append(profile.name)
                try TillerProfileStore.add(profile, in: path, replacesExisting: true)
            }
        }
        var options = Engine.Options()
        options.threads = 1
        return (try Engine(path: path, options: options), profiles)
    }

    /// What a session that has seen nothing else says.
    private func expected(_ engine: Engine, _ steering: [AppliedProfile], _ target: [Int32]) throws -> (
        logits: [Float], tokens: [Int32]
    ) {
        let fresh = try engine.makeSession(contextLength: 64)
        try fresh.steer(steering)
        try fresh.advance(to: target)
        return (fresh.currentLogits, try fresh.generate(greedy).tokens)
    }

    @Test(arguments: SteeringSessionTests.models, [false, true])
    func anyOrderOfTurnsGivesTheTextOfAFreshSession(name: String, int8: Bool) throws {
        let (engine, profiles) = try engine(name, int8: int8)
        let path = "\(folder.path)/turns.session"
        var generator = SeededGenerator(seed: 16)
        for conversation in 0..<34 {
            var session = try engine.makeSession(contextLength: 64)
            var target: [Int32] = []
            for turn in 0..<6 {
                switch Int.random(in: 0..<10, using: &generator) {
                case 0..<3:
                    let count = Int.random(in: 0...2, using: &generator)
                    let names = (0..<count).compactMap { _ in profiles.randomElement(using: &generator) }
                    try session.steer(Set(names).sorted().map { AppliedProfile($0) })
                case 3: session.rewind(to: Int.random(in: 0...session.tokens.count, using: &generator))
                case 4: target.removeLast(Int.random(in: 0...target.count, using: &generator))
                case 5: session = try session.fork()
                case 6 where !session.tokens.isEmpty:
                    try session.save(to: path)
                    let restored = try engine.makeSession(contextLength: 64)
                    try restored.steer(session.steering)
                    #expect(try restored.restore(from: path) == .restored(tokenCount: session.tokens.count))
                    session = restored
                default: break
                }
                let length = Int.random(in: 1...5, using: &generator)
                target += (0..<length).map { _ in Int32.random(in: 3..<200, using: &generator) }
                guard target.count < 58 else { break }
                if Int.random(in: 0..<3, using: &generator) == 0 {
                    // Ended before some layer, in one of the runs of equal phase.
                    var layers = Int.random(in: 0..<6, using: &generator)
                    try session.advance(to: target) {
                        layers -= 1
                        return layers >= 0
                    }
                }
                try session.advance(to: target)
                let (logits, tokens) = try expected(engine, session.steering, target)
                let place = "conversation \(conversation), turn \(turn), \(session.steering)"
                #expect(session.currentLogits == logits, "\(place)")
                #expect(try session.generate(greedy).tokens == tokens, "\(place)")
                target += tokens
            }
        }
    }

    @Test(arguments: phases)
    func anAnswerThatIsHandedInAgainIsPrompt(phase: SteeringProfile.Phase) throws {
        let (engine, _) = try engine("llama", int8: true)
        let steering = [AppliedProfile("add-\(phase)")]
        let session = try engine.makeSession(contextLength: 64)
        try session.steer(steering)
        try session.advance(to: [5, 6, 7, 8])
        let target = try [5, 6, 7, 8] + session.generate(greedy).tokens
        // Also where nothing new follows the answer.
        for target in [target, target + [9], target] {
            try session.advance(to: target)
            #expect(session.currentLogits == (try expected(engine, steering, target)).logits)
        }
    }

    @Test func aProfileOfBothPhasesCostsNothingMore() throws {
        let (engine, _) = try engine("llama", int8: true)
        let session = try engine.makeSession(contextLength: 64)
        try session.steer([AppliedProfile("add-both")])
        try session.advance(to: [5, 6, 7, 8])
        let target = try [5, 6, 7, 8] + session.generate(greedy).tokens
        #expect(session.keepBeginning(of: (target + [9])[...]) == [9])
        // All but the last token, whose logits nobody has asked for.
        #expect(session.cachedTokenCount == target.count - 1)
    }
}
