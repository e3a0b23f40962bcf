// SPDX-License-Identifier: Apache-2.0
// Perplexity by llama-perplexity's protocol, so that figures compare: the text is cut into chunks of the
// context's length, and of each chunk the second half is scored, so that every scored token has a long past.

import Glibc
import JSON
import Kernels
import Tiller

/// How well a model predicts a text.
public struct Perplexity: Sendable {
    /// Scored tokens.
    public let tokenCount: Int
    /// Σ −ln P over the scored tokens.
    public let negativeLogLikelihood: Double
    /// Standard error of the mean.
    public let meanError: Double

    /// Mean −ln P by token, in nats.
    public var mean: Double { negativeLogLikelihood / Double(tokenCount) }
    public var perplexity: Double { exp(mean) }

    package var json: JSON.Object {
        [
            "perplexity": .number(perplexity), "tokens": .integer(tokenCount), "mean_nll": .number(mean),
            "mean_nll_error": .number(meanError),
        ]
    }
}

extension Perplexity {
    /// Measures a text.
    ///
    /// - Parameters:
    ///   - contextLength: tokens of a chunk; its second half is scored.
    ///   - chunkLimit: chunks to score; nil scores all.
    ///   - onChunk: called after each chunk with (chunks done, chunks in all, perplexity so far).
    /// - Throws: `TillerError.invalidOption` where the text is shorter than one chunk.
    public static func measure(
        _ text: String, engine: Engine, steering: [Steer] = [], contextLength: Int = 512,
        chunkLimit: Int? = nil,
        onChunk: (Int, Int, Double) -> Void = { _, _, _ in }
    ) throws(TillerError) -> Perplexity {
        guard contextLength >= 4 else {
            throw .invalidOption("context is \(contextLength), expected at least 4")
        }
        let session = try engine.makeSession(contextLength: contextLength)
        try session.steer(steering)
        let tokens = engine.encode(text)
        let available = tokens.count / contextLength
        guard available > 0 else {
            throw .invalidOption("the text has \(tokens.count) tokens, one chunk needs \(contextLength)")
        }
        let chunks = min(available, chunkLimit ?? available)
        var losses = RunningMean()
        for chunk in 0..<chunks {
            var part = Array(tokens[chunk * contextLength..<(chunk + 1) * contextLength])
            // Each chunk begins as a text does.
            if let begin = engine.beginOfText { part[0] = begin }
            score(part, from: contextLength / 2, session: session, into: &losses)
            onChunk(chunk + 1, chunks, exp(losses.mean))
        }
        return Perplexity(
            tokenCount: losses.count, negativeLogLikelihood: losses.mean * Double(losses.count),
            meanError: losses.standardError)
    }

    private static func score(
        _ tokens: [Int32], from first: Int, session: Session, into losses: inout RunningMean
    ) {
        session.evaluateAll(tokens) { position, logProbability in
            guard position >= first, position + 1 < tokens.count else { return }
            losses.add(-Double(logProbability(tokens[position + 1])))
        }
    }
}
