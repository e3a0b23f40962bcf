// SPDX-License-Identifier: Apache-2.0
// A compact next-token distribution: likely tokens one by one, all others as a single event. The KL divergence of two
// such distributions is a close lower bound, at a hundredth of the memory of whole vocabularies.

import Glibc
import Kernels

struct PlainDistribution {
    private var tokens: [Int32] = []
    /// ln P of the likely tokens.
    private var logProbabilities: [Float] = []
    /// Total P of all other tokens.
    private var rest = 0.0
    /// The text's actual next token and its ln P.
    private var next: (token: Int32, logProbability: Float)?

    /// Tokens below e⁻⁹, about one in eight thousand, are merged.
    private static let leastLogProbability: Float = -9

    init(logits: UnsafeBufferPointer<Float>, next: Int32?, _ compute: Compute) {
        guard let base = logits.baseAddress else { return }
        let normalizer = compute.logSumExp(base, count: logits.count)
        let bound = normalizer + Self.leastLogProbability
        var kept = 0.0
        for index in 0..<logits.count where base[index] > bound {
            tokens.append(Int32(index))
            logProbabilities.append(base[index] - normalizer)
            kept += Double(expf(base[index] - normalizer))
        }
        rest = max(1 - kept, 0)
        self.next = next.map { ($0, base[Int($0)] - normalizer) }
    }

    /// −ln P of the text's actual next token; nil after the last one.
    var nextLoss: Double? { next.map { -Double($0.logProbability) } }

    /// - Returns: KL(this ‖ other), and the increase of the next token's −ln P, nil after the last token.
    func compare(to logits: UnsafeBufferPointer<Float>, _ compute: Compute) -> (
        divergence: Double, lossRise: Double?
    ) {
        guard let base = logits.baseAddress else { return (0, nil) }
        let normalizer = compute.logSumExp(base, count: logits.count)
        var (sum, kept) = (0.0, 0.0)
        for (token, before) in zip(tokens, logProbabilities) {
            let after = base[Int(token)] - normalizer
            sum += Double(expf(before) * (before - after))
            kept += Double(expf(after))
        }
        // Below 1e-6, 1 − Σ P is rounding error.
        if rest > 1e-6 { sum += rest * log(rest / max(1 - kept, 1e-6)) }
        return (max(sum, 0), next.map { Double($0.logProbability - (base[Int($0.token)] - normalizer)) })
    }
}
