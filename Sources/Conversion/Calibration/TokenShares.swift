// SPDX-License-Identifier: Apache-2.0
// How much of text is made of which tokens. An error in a token's row of the head moves its logit by some δ, and the
// distribution by about p δ² / 2 nats: what a row's bits are worth is its token's probability.

import Evaluation
import Glibc
import Tiller
import Transformer

/// Shares of blocks of tokens in what a model expects.
package struct TokenShares: Sendable {
    /// Tokens of a block: whole tiles, and few enough for a vocabulary's common parts to stand out.
    package static let blockSize = 64

    package let tokenCount: Int
    /// Tokens side by side, and their share of all probability.
    package let blocks: [(rows: Range<Int>, share: Double)]

    /// - Parameter probabilities: of each token, or any numbers in their proportion.
    package init(probabilities: [Double]) {
        tokenCount = probabilities.count
        let total = probabilities.reduce(0, +)
        blocks = stride(from: 0, to: probabilities.count, by: Self.blockSize).map { first in
            let rows = first..<min(first + Self.blockSize, probabilities.count)
            return (rows, total > 0 ? probabilities[rows].reduce(0, +) / total : 0)
        }
    }

    /// What a model expects on average at some positions of texts.
    ///
    /// - Parameters:
    ///   - lists: tokens of the texts; of each a few at its beginning.
    ///   - progress: called after each text; false stops.
    /// - Throws: `CancellationError` when stopped, or what making a session throws.
    static func measured(by engine: Engine, lists: [[Int32]], progress: () -> Bool) throws -> TokenShares {
        let session = try engine.makeSession(contextLength: positionsOfText, forAllLogits: true)
        var sums = [Double](repeating: 0, count: engine.vocabularySize)
        for list in lists.spread(textCount) {
            guard progress() else { throw CancellationError() }
            session.evaluateAllLogits(Array(list.prefix(positionsOfText))) { _, logits in
                guard let base = logits.baseAddress else { return }
                let normalizer = engine.compute.preciseLogSumExp(base, count: logits.count)
                // What is less likely than e⁻¹⁶ adds nothing that counts.
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
