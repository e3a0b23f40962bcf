// SPDX-License-Identifier: Apache-2.0

import Glibc
import Kernels
import Platform
import TestSupport
import Testing
import Tiller

@Suite struct SamplerTests {
    private let compute = granted(try Compute(kernels: .best, threadCount: 2, smallWork: 0))

    private func draw(
        _ logits: [Float], _ change: (inout SamplingOptions) -> Void, history: [Int32] = [], count: Int = 1
    ) -> [Int32] {
        var options = SamplingOptions()
        options.temperature = 1
        options.topK = 0
        options.topP = 1
        options.minP = 0
        options.seed = 7
        change(&options)
        var sampler = Sampler(options: options)
        return (0..<count).map { _ in
            var copy = logits
            return copy.withUnsafeMutableBufferPointer {
                sampler.sample($0, history: history, with: compute)
            }
        }
    }

    @Test func temperatureZeroTakesTheMostLikelyToken() {
        #expect(draw([0, 3, 2, 3], { $0.temperature = 0 }) == [1])
    }

    @Test(arguments: [1, 15, 16, 17, 48, 1000, 1024, 1025, 2100, 40_000])
    func theMostLikelyTokenIsFoundWhereverItLies(count: Int) {
        let greedy = { (options: inout SamplingOptions) in options.temperature = 0 }
        for place in stride(from: 0, to: count, by: count <= 1000 ? 1 : count / 20 + 3) {
            var logits = (0..<count).map { Float(-1 - $0 % 5) }
            logits[place] = -0.5
            #expect(draw(logits, greedy) == [Int32(place)])
            // Not a number never wins, and of equals the first one does.
            logits[(place + 1) % count] = count > 1 ? .nan : -0.5
            if place + 2 < count { logits[place + 2] = -0.5 }
            #expect(draw(logits, greedy) == [Int32(place)])
        }
    }

    @Test func logitsOfWhichNoneIsANumberStillGiveAToken() {
        #expect(draw(Array(repeating: .nan, count: 20), { $0.temperature = 0 }) == [0])
        #expect(draw(Array(repeating: -.infinity, count: 20), { $0.temperature = 0 }) == [0])
        #expect(draw(Array(repeating: .nan, count: 20), { _ in }) == [0])
    }

    @Test func frequenciesFollowTheSoftmax() {
        let logits: [Float] = [0, 1, 2, -1]
        let drawn = draw(logits, { _ in }, count: 40_000)
        let total = logits.reduce(0) { $0 + exp(Double($1)) }
        for token in 0..<4 {
            let expected = exp(Double(logits[token])) / total
            let share = Double(drawn.filter { $0 == Int32(token) }.count) / 40_000
            // Five standard deviations of a binomial share.
            #expect(abs(share - expected) < 5 * (expected * (1 - expected) / 40_000).squareRoot())
        }
    }

    @Test func topKKeepsTheBestOfALargeVocabulary() {
        var random = SeededGenerator(seed: 3)
        let logits = (0..<50_000).map { _ in random.nextNormal() }
        let best = Set(logits.indices.sorted { logits[$0] > logits[$1] }.prefix(5).map { Int32($0) })
        let drawn = Set(draw(logits, { $0.topK = 5 }, count: 500))
        #expect(drawn == best)
    }

    @Test func topPKeepsTheSmallestSufficientSet() {
        // Probabilities 0.5, 0.3, 0.15, 0.05.
        let logits = [0.5, 0.3, 0.15, 0.05].map { Float(log($0)) }
        #expect(Set(draw(logits, { $0.topP = 0.7 }, count: 500)) == [0, 1])
        #expect(Set(draw(logits, { $0.topP = 0.81 }, count: 500)) == [0, 1, 2])
    }

    @Test func minPCutsRelativeToTheBest() {
        let logits = [0.5, 0.3, 0.15, 0.05].map { Float(log($0)) }
        #expect(Set(draw(logits, { $0.minP = 0.25 }, count: 800)) == [0, 1, 2])
    }

    @Test func penaltiesAndBiasesMoveTheChoice() {
        let logits: [Float] = [2, 1.9, -1]
        #expect(
            draw(
                logits,
                {
                    $0.temperature = 0; $0.repetitionPenalty = 1.2
                }, history: [0]) == [1])
        #expect(
            draw(
                logits,
                {
                    $0.temperature = 0; $0.presencePenalty = 0.2
                }, history: [0, 0]) == [1])
        #expect(
            draw(
                logits,
                {
                    $0.temperature = 0; $0.frequencyPenalty = 0.06
                }, history: [0]) == [0])
        #expect(
            draw(
                logits,
                {
                    $0.temperature = 0; $0.frequencyPenalty = 0.06
                }, history: [0, 0]) == [1])
        #expect(
            draw(
                logits,
                {
                    $0.temperature = 0; $0.logitBias = [2: 5]
                }) == [2])
    }

    /// What llama.cpp and vLLM take from the logit of a token that occurred `count` times: the repetition penalty scales the
    /// model's logit, then frequency and presence are subtracted.
    @Test(arguments: [0, 3, -3] as [Float], [0, 1, 2, 3])
    func penaltiesTogetherActInTheOrderOfOthers(logit: Float, count: Int) {
        let history = [Int32](repeating: 1, count: count) + [2, 2]
        for (repetition, presence, frequency) in [
            (2, 1, 0), (2, 0, 1), (2, -1, 0), (1.5, 1, 1), (0.5, -1, 0.25), (2, 0, 0), (1, 1, 0), (1, 0, 1),
        ] as [(Float, Float, Float)] {
            var expected = logit > 0 ? logit / repetition : logit * repetition
            expected -= Float(count) * frequency + presence
            if count == 0 { expected = logit }
            // The token wins over another just above what its logit has become, a bias of 1 added.
            for (rival, winner) in [(expected + 0.9, 1), (expected + 1.1, 0)] as [(Float, Int32)] {
                let drawn = draw(
                    [rival, logit, -100],
                    {
                        ($0.temperature, $0.repetitionPenalty) = (0, repetition)
                        ($0.presencePenalty, $0.frequencyPenalty, $0.logitBias) = (
                            presence, frequency, [1: 1]
                        )
                    }, history: history)
                #expect(drawn == [winner], "\(repetition), \(presence), \(frequency)")
            }
        }
    }

    @Test func penaltiesLookAtTheWindowAlone() {
        func choice(window: Int) -> [Int32] {
            draw(
                [1, 0.9],
                {
                    ($0.temperature, $0.frequencyPenalty, $0.penaltyWindow) = (0, 0.06, window)
                }, history: [0, 0, 7, -1, 1_000_000], count: 3)
        }
        #expect(choice(window: 5) == [1, 1, 1])
        #expect(choice(window: 4) == [0, 0, 0])
        #expect(choice(window: 0) == [0, 0, 0])
    }

    @Test func aWindowOfAMillionTokensIsLookedAtOnce() {
        let history = (0..<1 << 20).map { Int32($0 % 50_000) }
        let logits = [Float](repeating: 0, count: 50_000)
        var drawn: [Int32] = []
        let elapsed = ContinuousClock().measure {
            drawn = draw(
                logits,
                {
                    ($0.temperature, $0.frequencyPenalty, $0.penaltyWindow) = (0, 0.01, 1 << 20)
                }, history: history, count: 10)
        }
        // Token 48,576 is the first that occurs once less than those before it.
        #expect(drawn == [Int32](repeating: 48_576, count: 10))
        // A quadratic search would take hours.
        #expect(elapsed < .seconds(20))
    }

    @Test func minPCutsBeforeTopP() {
        // Of 0.5, 0.3, 0.15, 0.05 min-p leaves the first two, of which the first has 62 %.
        let logits = [0.5, 0.3, 0.15, 0.05].map { Float(log($0)) }
        #expect(Set(draw(logits, { ($0.minP, $0.topP) = (0.5, 0.6) }, count: 500)) == [0])
        #expect(Set(draw(logits, { ($0.minP, $0.topP) = (0, 0.6) }, count: 500)) == [0, 1])
    }

    @Test func theSameSeedDrawsTheSame() {
        let logits = (0..<100).map { Float($0 % 7) }
        #expect(draw(logits, { _ in }, count: 50) == draw(logits, { _ in }, count: 50))
        #expect(draw(logits, { _ in }, count: 50) != draw(logits, { $0.seed = 8 }, count: 50))
    }

    @Test func optionsOutsideTheirRangeAreNamed() {
        var options = SamplingOptions()
        options.topP = 0
        #expect(throws: TillerError.invalidOption("top-p is 0.0, expected above 0, at most 1")) {
            try options.validate()
        }
        options.topP = 1
        options.penaltyWindow = 1 << 21
        #expect(
            throws: TillerError.invalidOption("penalty window is 2097152, expected 0...1048576")
        ) { try options.validate() }
    }
}
