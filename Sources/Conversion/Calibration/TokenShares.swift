// SPDX-License-Identifier: Apache-2.0
// The frequency of tokens in text. An error in a token's row of the head moves its logit by some δ, and the distribution by about
// p δ² / 2 nats: the value of a row's bits is proportional to its token's probability p.

import Evaluation
import Glibc
import Tiller
import Transformer

/// Shares of blocks of tokens in a model's predictions.
package struct TokenShares: Sendable {
    /// Tokens per block: whole tiles, and few enough to separate the frequent parts of a vocabulary.
    package static let blockSize = 64

    package let tokenCount: Int
    /// Blocks of consecutive tokens, with their share of the total probability.
    package let blocks: [(rows: Range<Int>, share: Double)]

    /// - Parameter probabilities: one per token, or any numbers proportional to them.
    package init(probabilities: [Double]) {
        tokenCount = probabilities.count
        let total = probabilities.reduce(0, +)
        blocks = stride(from: 0, to: probabilities.count, by: Self.blockSize).map { first in
            let rows = first..<min(first + Self.blockSize, probabilities.count)
            return (rows, total > 0 ? probabilities[rows].reduce(0, +) / total : 0)
        }
    }

    /// A model's mean prediction at some positions of texts.
    ///
    /// - Parameters:
    ///   - lists: tokens of the texts; a few from the beginning of each are used.
    ///   - progress: called after each text; false stops.
    /// - Throws: `CancellationError` when stopped, or the errors of making a session.
    static func measured(by engine: Engine, lists: [[Int32]], progress: () -> Bool) throws -> TokenShares {
        let session = try engine.makeSession(contextLength: positionsOfText, forAllLogits: true)
        var sums = [Double](repeating: 0, count: engine.vocabularySize)
        for list in lists.spread(textCount) {
            guard progress() else { throw CancellationError() }
            session.evaluateAllLogits(Array(list.prefix(positionsOfText))) { _, logits in
                guard let base = logits.baseAddress else { return }
                let normalizer = engine.compute.preciseLogSumExp(base, count: logits.count)
                // Tokens less likely than e⁻¹⁶ contribute nothing significant.
                for (token, logit) in logits.enumerated() where Double(logit) > normalizer - 16 {
                    sums[token] += exp(Double(logit) - normalizer)
                }
            }
        }
        return TokenShares(probabilities: sums)
    }

    static let textCount = 32
    private static let positionsOfText = 64
}
