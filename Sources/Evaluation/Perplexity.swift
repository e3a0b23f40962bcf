// SPDX-License-Identifier: Apache-2.0
// Perplexity by llama-perplexity's protocol, see TextChunks.

import Glibc
import JSON
import Kernels
import Steering
import Tiller

/// How well a model predicts a text.
public struct Perplexity: Sendable {
    /// Number of scored tokens.
    public let tokenCount: Int
    /// Σ −ln P over the scored tokens.
    public let negativeLogLikelihood: Double
    /// Standard error of the mean.
    public let meanError: Double
    /// Whether a gate of the steering has opened for any token; nil without gates.
    package let hasOpenedGate: Bool?

    /// Mean −ln P per token, in nats.
    public var mean: Double { negativeLogLikelihood / Double(tokenCount) }
    public var perplexity: Double { exp(mean) }

    package var json: JSON.Object {
        var object: JSON.Object = [
            "perplexity": .number(perplexity), "tokens": .integer(tokenCount), "mean_nll": .number(mean),
            "mean_nll_error": .number(meanError),
        ]
        object["gates_opened"] = hasOpenedGate.map { .bool($0) }
        return object
    }
}

extension Perplexity {
    /// Measures a text.
    ///
    /// - Parameters:
    ///   - contextLength: tokens of a chunk; its second half is scored.
    ///   - chunkLimit: chunks to score; nil scores all.
    ///   - onChunk: called after each chunk with (chunks done, total chunks, perplexity so far).
    /// - Throws: `TillerError.invalidOption` where the text is shorter than one chunk, `.invalidProfile` where steering
    ///   begins after a chunk.
    public static func measure(
        _ text: String, engine: Engine, steering: [AppliedProfile] = [], contextLength: Int = 512,
        chunkLimit: Int? = nil,
        onChunk: (Int, Int, Double) -> Void = { _, _, _ in }
    ) throws(TillerError) -> Perplexity {
        let chunks = try TextChunks(
            text, engine: engine, contextLength: contextLength, limit: chunkLimit)
        let session = try engine.makeSession(contextLength: contextLength)
        let plan = try engine.scoringPlan(steering)
        try plan.requireAction(within: contextLength - 1)
        session.setPlan(plan)
        var losses = RunningMean()
        for chunk in 0..<chunks.count {
            try score(chunks[chunk], at: chunks.scored, session: session, into: &losses)
            onChunk(chunk + 1, chunks.count, exp(losses.mean))
        }
        return Perplexity(
            tokenCount: losses.count, negativeLogLikelihood: losses.mean * Double(losses.count),
            meanError: losses.standardError, hasOpenedGate: session.hasOpenedGate)
    }

    private static func score(
        _ tokens: [Int32], at scored: Range<Int>, session: Session, into losses: inout RunningMean
    ) throws(TillerError) {
        session.rewind(to: 0)
        try session.evaluate(Array(tokens[..<scored.lowerBound]))
        try session.evaluate(tokens[scored]) { position, logits in
            losses.add(-session.engine.compute.logLikelihood(of: tokens[position + 1], logits))
        }
    }
}
