// SPDX-License-Identifier: Apache-2.0
// Shows the effect of steering on a text.

import JSON
import Tiller

extension DivergenceSummary {
    var json: JSON {
        [
            "mean": .number(mean), "largest": .number(largest), "steered_share": .number(meanShare),
            "tokens": .integer(tokenCount),
        ]
    }
}

/// One question answered without and with steering, and the divergence of the answers.
struct Comparison {
    let plain: String
    let steered: String
    /// Length of the answers' common prefix, in tokens.
    let commonTokenCount: Int
    /// Divergence of each token of the steered answer from the unsteered model after the same tokens.
    let divergences: [TokenDivergence]

    /// The point where the answers diverge, and a bar chart of the divergence, each bar for a few tokens.
    var summary: String {
        guard !divergences.isEmpty else { return "nothing was steered" }
        let nats = divergences.map(\.nats)
        let mean = nats.reduce(0, +) / Double(nats.count)
        let parting =
            commonTokenCount == 0
            ? "they differ from the first token" : "they differ after \(commonTokenCount) tokens"
        let share = divergences.map(\.share).reduce(0, +) / Double(divergences.count)
        let shareText = share < 1 ? ", \(formatted(share * 100, digits: 0)) % steered" : ""
        return (plain == steered ? "both are the same" : parting)
            + "; KL per token \(Self.bars(nats)) mean \(formatted(mean, digits: 3)), largest "
            + "\(formatted(nats.max() ?? 0, digits: 3)) nats\(shareText)"
    }

    /// At most 40 bars, each the maximum of its values. The height is the square root of the value, since the divergence
    /// grows with the square of small strengths.
    static func bars(_ values: [Double], count: Int = 40) -> String {
        let scale = max(values.max() ?? 0, 1e-9).squareRoot()
        let bars = Array("▁▂▃▄▅▆▇█")
        let width = min(count, values.count)
        return String(
            (0..<width).map { index in
                let part = values[index * values.count / width..<(index + 1) * values.count / width]
                let height = max(part.max() ?? 0, 0).squareRoot() / scale
                return bars[min(Int(height * 8), 7)]
            })
    }
}
