// SPDX-License-Identifier: Apache-2.0
// How far steering moves a model, token by token: the same tokens also run without steering, in the same pass over the weights.

import Glibc
import Kernels

/// How far steering moved one token's distribution.
public struct TokenDivergence: Sendable, Equatable {
    /// KL(sampled ‖ unsteered) if it was bounded, else KL(steered ‖ unsteered) of the model's own distributions.
    public let nats: Double
    /// Share of the steered distribution in the sampled one; 1 without a bound.
    public let share: Double

    package init(nats: Double, share: Double) {
        self.nats = nats
        self.share = share
    }
}

/// Divergences of all tokens of a text.
public struct DivergenceSummary: Sendable, Equatable {
    public private(set) var tokenCount = 0
    /// The largest divergence of a token, in nats.
    public private(set) var largest = 0.0
    private var natsSum = 0.0
    private var shareSum = 0.0

    /// Mean over the tokens, in nats.
    public var mean: Double { natsSum / Double(max(tokenCount, 1)) }
    /// Mean share of the steered distribution.
    public var meanShare: Double { shareSum / Double(max(tokenCount, 1)) }

    package init() {}

    package mutating func add(_ divergence: TokenDivergence) {
        tokenCount += 1
        largest = max(largest, divergence.nats)
        natsSum += divergence.nats
        shareSum += divergence.share
    }
}

extension GenerationOptions {
    /// The largest valid bound, in nats: larger than any divergence over a vocabulary.
    package static let largestDivergence = 100.0
}

extension Session {
    /// This timeline without steering, with the logits after its last token. It is kept, and follows the tokens generated in this
    /// session.
    ///
    /// - Parameter shouldContinue: called between batches; after false there are no logits.
    func makeUnsteered(while shouldContinue: () -> Bool = { true }) throws(TillerError) -> Session {
        let session: Session
        if let unsteered {
            session = unsteered
        } else {
            session = try engine.makeSession(contextLength: contextLength)
        }
        unsteered = session
        // Both timelines are evaluated in one pass.
        try engine.reserve(contextLength: contextLength, allLogits: true)
        try session.advance(to: tokens, while: shouldContinue)
        return session
    }
}

extension Compute {
    /// KL(p ‖ q) in nats of two distributions given by their logits [vocabularySize].
    ///
    /// Tokens to which p gives less than e⁻¹⁶ are skipped: even a whole vocabulary of them is negligible.
    func divergence(of p: UnsafeBufferPointer<Float>, from q: UnsafeBufferPointer<Float>) -> Double {
        guard let a = p.baseAddress, let b = q.baseAddress, p.count == q.count else { return 0 }
        let (logA, logB) = (logSumExp(a, count: p.count), logSumExp(b, count: q.count))
        var sum = 0.0
        for token in 0..<p.count where a[token] > logA - 16 {
            let x = a[token] - logA
            sum += Double(expf(x)) * Double(x - (b[token] - logB))
        }
        return max(sum, 0)
    }
}

/// The distributions before penalties and temperature, kept while a token is sampled.
struct OwnDistributions {
    private let steered: (logits: [Float], normalizer: Float)
    private let plain: (logits: [Float], normalizer: Float)?

    /// - Parameter unsteered: the timeline without steering, if the sampled distribution may be a mixture with its own.
    init(_ session: Session, _ unsteered: Session?) {
        func distribution(_ session: Session) -> ([Float], Float) {
            let logits = session.logits
            return (
                Array(logits.elements),
                session.engine.compute.logSumExp(logits.baseAddress, count: logits.count)
            )
        }
        steered = distribution(session)
        plain = unsteered.map(distribution)
    }

    /// ln P of a token.
    ///
    /// - Parameter share: share of the steered distribution in the mixture.
    func logProbability(of token: Int32, share: Double) -> Float {
        let own = steered.logits[Int(token)] - steered.normalizer
        guard let plain, share < 1 else { return own }
        let unsteered = Double(plain.logits[Int(token)] - plain.normalizer)
        return Float(log((1 - share) * exp(unsteered) + share * exp(Double(own))))
    }
}
