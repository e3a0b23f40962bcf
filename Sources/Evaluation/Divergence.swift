// SPDX-License-Identifier: Apache-2.0
// KL divergence of a model's distributions from a reference's, in the figures of llama-perplexity's --kl-divergence.

import Glibc
import JSON

/// Compares both models' distributions of one token.
package struct PositionDivergence: Sendable {
    /// KL divergence KL(reference ‖ model), in nats.
    package let divergence: Double
    /// Whether both models have the same most likely token.
    package let isSameTop: Bool
    /// −ln P of the text's actual next token.
    package let loss, referenceLoss: Double

    package init(divergence: Double, isSameTop: Bool, loss: Double, referenceLoss: Double) {
        self.divergence = divergence
        self.isSameTop = isSameTop
        self.loss = loss
        self.referenceLoss = referenceLoss
    }
}

/// The comparison of two models over one or more texts.
package struct Divergence: Sendable {
    /// One per scored token.
    package let positions: [PositionDivergence]
    private let sorted: [Double]
    private let divergences, lossRises, losses, referenceLosses: RunningMean

    package init(_ positions: [PositionDivergence]) {
        self.positions = positions
        sorted = positions.map(\.divergence).sorted()
        divergences = RunningMean(positions.map(\.divergence))
        losses = RunningMean(positions.map(\.loss))
        referenceLosses = RunningMean(positions.map(\.referenceLoss))
        lossRises = RunningMean(positions.map { $0.loss - $0.referenceLoss })
    }

    /// Joins several texts; every token has the same weight.
    package init(joining parts: [Divergence]) { self.init(parts.flatMap(\.positions)) }

    /// Number of scored tokens.
    package var tokenCount: Int { positions.count }
    /// Mean KL(reference ‖ model), in nats per token.
    package var mean: Double { divergences.mean }
    /// Standard error of the mean.
    package var meanError: Double { divergences.standardError }
    package var median: Double { quantile(0.5) }
    package var largest: Double { sorted.last ?? 0 }

    /// The quantile of the divergence for a share of the tokens.
    package func quantile(_ share: Double) -> Double { Evaluation.quantile(share, ofSorted: sorted) }

    private var sameTopCount: Int { positions.count { $0.isSameTop } }
    /// Share of tokens for which both models have the same most likely token.
    package var sameTop: Double { Double(sameTopCount) / Double(max(tokenCount, 1)) }
    /// Its 95 % interval.
    package var sameTopInterval: ClosedRange<Double> {
        wilsonInterval(successes: sameTopCount, of: tokenCount)
    }

    /// √ mean (P(model) − P(reference))² of the text's actual tokens.
    package var probabilityDifference: Double {
        let squares = positions.map { position in
            let difference = exp(-position.loss) - exp(-position.referenceLoss)
            return difference * difference
        }
        return RunningMean(squares).mean.squareRoot()
    }

    package var perplexity: Double { exp(losses.mean) }
    package var referencePerplexity: Double { exp(referenceLosses.mean) }
    /// ln of the ratio of the perplexities, in nats per token.
    package var lossRise: Double { lossRises.mean }
    /// Its standard error, from the paired differences.
    package var lossRiseError: Double { lossRises.standardError }

    package var json: JSON.Object {
        [
            "mean_kl": .number(mean), "mean_kl_error": .number(meanError), "median_kl": .number(median),
            "p90_kl": .number(quantile(0.9)), "p99_kl": .number(quantile(0.99)), "max_kl": .number(largest),
            "same_top": .number(sameTop), "same_top_interval": sameTopInterval.json,
            "rms_dp": .number(probabilityDifference), "perplexity": .number(perplexity),
            "reference_perplexity": .number(referencePerplexity), "delta_ln_ppl": .number(lossRise),
            "delta_ln_ppl_error": .number(lossRiseError), "tokens": .integer(tokenCount),
        ]
    }
}
