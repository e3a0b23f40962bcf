// SPDX-License-Identifier: Apache-2.0
// Steered and unsteered as a batch of two, and the bound on what steering may do to each token.

import Glibc
import Kernels
import ModelFixtures
import Steering
import TestSupport
import Testing
import Tiller

@Suite struct DivergenceCapTests {
    private let models = SteeringSessionTests()

    private func sampling(temperature: Float, seed: UInt64, open: Bool = false) -> SamplingOptions {
        var options = SamplingOptions()
        options.temperature = temperature
        options.seed = seed
        options.repetitionPenalty = 1.1
        if open { (options.topK, options.topP, options.minP) = (0, 1, 0) }
        return options
    }

    @Test(arguments: SteeringSessionTests.kinds, SteeringSessionTests.models)
    func aBatchOfTwoIsTwoSessionsBitForBit(kind: String, name: String) throws {
        for (int8, threads) in [(false, 2), (true, 1), (true, 2)] {
            let (engine, model) = try models.engine(name, kind, int8: int8, threads: threads)
            func session(_ steering: [AppliedProfile]) throws -> Session {
                let session = try engine.makeSession()
                try session.steer(steering)
                try session.evaluate(Array(model.tokens.prefix(20)))
                return session
            }
            let (steered, plain) = (try session([AppliedProfile(kind)]), try session([]))
            let (a, b) = (try session([AppliedProfile(kind)]), try session([]))
            for token in model.tokens.dropFirst(4).prefix(24) {
                try steered.step(token)
                try plain.step(token)
                try a.step(token, beside: b)
                #expect(a.currentLogits == steered.currentLogits)
                #expect(b.currentLogits == plain.currentLogits)
            }
            // What was cached in pairs serves single steps, and the other way round.
            try a.step(7)
            try steered.step(7)
            try b.step(7)
            try plain.step(7, beside: steered.fork())
            #expect(a.currentLogits == steered.currentLogits && b.currentLogits == plain.currentLogits)
        }
    }

    @Test func noTokenGoesBeyondTheBoundOverTenThousand() throws {
        var (count, full, mixed) = (0, 0, 0)
        for (name, kind) in [
            ("llama", "add"), ("llama", "rotate"), ("mistral", "headAdd"), ("gemma3", "keepsNorm"),
            ("gemma3", "scale"),
        ] {
            let (engine, model) = try models.engine(name, kind, int8: true)
            for (index, temperature) in [Float(0), 0.4, 0.8, 1, 1.7].enumerated() {
                for (limit, open) in [(0.002, false), (0.05, false), (0.05, true), (0.7, false)] {
                    let options = sampling(temperature: temperature, seed: UInt64(index), open: open)
                    let check = CapCheck(options: options, limit: limit)
                    let found = try check.run(engine: engine, model: model, kind: kind, count: 101)
                    count += found.count
                    full += found.count { $0 == 1 }
                    mixed += found.count { $0 > 0 && $0 < 1 }
                }
            }
        }
        #expect(count >= 10_000)
        #expect(full > 500 && mixed > 3_000, "\(full) fully steered, \(mixed) mixed")
    }

    @Test(arguments: SteeringSessionTests.models)
    func aBoundOfZeroIsTheUnsteeredText(name: String) throws {
        let (engine, model) = try models.engine(name, "add", int8: true)
        for temperature in [Float(0), 0.7, 1.3] {
            for seed in 0..<5 {
                var options = GenerationOptions()
                options.sampling = sampling(temperature: temperature, seed: UInt64(seed))
                options.maximumTokens = 60
                func text(_ steering: [AppliedProfile], _ limit: Double?) throws -> GenerationResult {
                    let session = try engine.makeSession()
                    try session.steer(steering)
                    try session.evaluate(Array(model.tokens.prefix(20)))
                    options.maximumDivergence = limit
                    return try session.generate(options)
                }
                let plain = try text([], nil)
                let capped = try text([AppliedProfile("add")], 0)
                #expect(capped.tokens == plain.tokens && capped.stopReason == plain.stopReason)
                #expect(capped.divergence.map { $0.largest } ?? 0 == 0)
                #expect(plain.divergence == nil)
                // A bound that nothing reaches is the steered text. Above 0 the same chance may fall on another token.
                guard temperature == 0 else { continue }
                #expect(
                    try text([AppliedProfile("add")], 90).tokens == text([AppliedProfile("add")], nil).tokens)
            }
        }
    }

    @Test func theDivergenceIsReportedWithoutChangingTheText() throws {
        let (engine, model) = try models.engine("llama", "add")
        var options = GenerationOptions()
        options.sampling = sampling(temperature: 1, seed: 3)
        options.maximumTokens = 40
        options.ignoresEndOfGeneration = true
        func run(_ strength: Float) throws -> GenerationResult {
            let session = try engine.makeSession()
            try session.steer([AppliedProfile("add", strength: strength)])
            try session.evaluate(Array(model.tokens.prefix(20)))
            return try session.generate(options)
        }
        let (quiet, weak) = (try run(1), try run(0.25))
        options.reportsDivergence = true
        let (loud, weakLoud) = (try run(1), try run(0.25))
        #expect(loud.tokens == quiet.tokens && weakLoud.tokens == weak.tokens)
        let (strongMean, weakMean) = (loud.divergence?.mean ?? 0, weakLoud.divergence?.mean ?? 0)
        #expect(weakMean > 0 && strongMean > 2 * weakMean)
        #expect(loud.divergence?.tokenCount == 40 && loud.divergence?.meanShare == 1)
    }

    @Test func turnsAndChangesOfSteeringKeepTheBound() throws {
        let (engine, model) = try models.engine("mistral", "add", phase: .generation)
        var options = GenerationOptions()
        options.sampling = sampling(temperature: 0.9, seed: 4)
        options.maximumTokens = 20
        options.maximumDivergence = 0.03
        let session = try engine.makeSession()
        for turn in 0..<4 {
            try session.steer(turn == 2 ? [] : [AppliedProfile("add", strength: Float(turn) + 1)])
            try session.evaluate(Array(model.tokens.dropFirst(turn).prefix(6)))
            let result = try session.generate(options)
            #expect((result.divergence == nil) == (turn == 2))
            #expect((result.divergence?.largest ?? 0) <= 0.03)
            if turn == 1 { session.rewind(to: session.tokens.count - 9) }
        }
        options.maximumDivergence = -1
        #expect(throws: TillerError.self) { try session.generate(options) }
        options.maximumDivergence = .nan
        #expect(throws: TillerError.self) { try session.generate(options) }
    }
}

/// Generates under a bound and computes every token's divergence anew, in Double and from the definition.
private struct CapCheck {
    let options: SamplingOptions
    let limit: Double

    /// - Returns: the steered share of each token.
    func run(engine: Engine, model: TinyModel, kind: String, count: Int) throws -> [Double] {
        let (steered, plain) = (try engine.makeSession(), try engine.makeSession())
        try steered.steer([AppliedProfile(kind)])
        for session in [steered, plain] { try session.evaluate(Array(model.tokens.prefix(20))) }
        var sampler = Sampler(options: options)
        var shares: [Double] = []
        for _ in 0..<count {
            var (p, q) = (plain.currentLogits, steered.currentLogits)
            let draw = p.withUnsafeMutableBufferPointer { p in
                q.withUnsafeMutableBufferPointer { q in
                    sampler.sample(p, steered: q, within: limit, history: plain.tokens, with: engine.compute)
                }
            }
            // Both are adjusted now, penalties and all.
            let (nats, isPossible) = divergence(p, q, share: draw.divergence.share, token: draw.token)
            #expect(nats <= limit && isPossible, "\(nats) above \(limit) at \(options.temperature)")
            #expect(draw.divergence.nats <= limit)
            // No share is given away: at temperature 0 up to what rare tokens may add.
            if draw.divergence.share < 1 { #expect(nats > limit * (options.temperature == 0 ? 0.9 : 0.999)) }
            shares.append(draw.divergence.share)
            try steered.step(draw.token, beside: plain)
        }
        return shares
    }

    private func divergence(_ plain: [Float], _ steered: [Float], share: Double, token: Int32) -> (
        nats: Double, isPossible: Bool
    ) {
        let temperature = options.temperature == 0 ? 1 : Double(options.temperature)
        func softmax(_ logits: [Float], _ tokens: [Int]) -> [Double] {
            let largest = Double(tokens.map { logits[$0] }.max() ?? 0)
            let weights = tokens.map { exp((Double(logits[$0]) - largest) / temperature) }
            let sum = weights.reduce(0, +)
            return weights.map { $0 / sum }
        }
        var tokens = Array(plain.indices)
        if options.temperature != 0 {
            tokens.sort { plain[$0] != plain[$1] ? plain[$0] > plain[$1] : $0 < $1 }
            if options.topK > 0 { tokens = Array(tokens.prefix(options.topK)) }
            let p = softmax(plain, tokens)
            // Below e⁻³⁰ of the best no token is drawn, whatever the options.
            let least = max(Double(options.minP), exp(-30)) * p[0] * (1 - 1e-6)
            tokens = zip(tokens, p).filter { $1 >= least }.map(\.0)
            // In Float: what does not change the sum any more is never drawn.
            var kept: Float = 0
            let weights = tokens.map { expf((plain[$0] - plain[tokens[0]]) / options.temperature) }
            let total = weights.reduce(0, +)
            let last = weights.firstIndex {
                kept += $0
                return kept >= options.topP * total
            }
            tokens = Array(tokens[...(last ?? tokens.count - 1)])
        }
        let (p, q) = (softmax(plain, tokens), softmax(steered, tokens))
        let nats = zip(p, q).reduce(0) { sum, pair in
            let m = pair.0 + share * (pair.1 - pair.0)
            return sum + (m > 0 ? m * log(m / pair.0) : 0)
        }
        return (nats, tokens.contains(Int(token)))
    }
}
