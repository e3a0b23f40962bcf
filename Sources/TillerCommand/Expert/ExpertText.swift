// SPDX-License-Identifier: Apache-2.0
// The results of training from an expert, as text for people.

import Commands
import ExpertSteer
import LinearAlgebra

/// The expertise gap, layer by layer, and its meaning.
func gapTable(_ gap: ExpertiseGap, _ states: SharedStates) -> String {
    func cell(_ readings: [LayerProbe], _ row: Int) -> String {
        guard row < readings.count else { return "" }
        let reading = readings[row]
        return "\(reading.layer)".leftPadded(to: 3) + "  \(formatted(reading.auc, digits: 3))  "
            + interval(reading.interval, digits: 2)
    }
    var lines = [
        "how well each layer represents the concept: held-out AUC, 95 % interval, \(states.pairCount) pairs",
        "expert \(states.expert.name)".printableLine.padded(to: 32)
            + "target \(states.target.name)".printableLine,
    ]
    for row in 0..<max(gap.expert.count, gap.target.count) {
        lines.append(cell(gap.expert, row).padded(to: 32) + cell(gap.target, row))
    }
    lines.append(
        "gap  expert \(formatted(gap.expertAUC, digits: 3)), target \(formatted(gap.targetAUC, digits: 3)), difference "
            + "\(formatted(gap.difference, digits: 3)) \(interval(gap.interval, digits: 3))")
    lines.append("     \(gap.verdict.explanation)")
    return lines.joined(separator: "\n")
}

extension ExpertReport {
    /// The information matrix, the chosen pairs of layers, their effects, and warnings.
    var text: String {
        ([informationTable, pairTable, trialTable] + warnings.map { "warning: \($0)" })
            .filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// The matrix in tenths of its largest value: one character per cell, chosen pairs in brackets.
    private var informationTable: String {
        let matrix = information.gaussian
        let (low, high) = (matrix.values.min() ?? 0, matrix.values.max() ?? 0)
        let chosen = Set(pairs.map(\.pair))
        var lines = [
            "mutual information of layers, 0 (\(formatted(low, digits: 2)) nats) to 9 (\(formatted(high, digits: 2))); "
                + "rank correlation with the nearest-neighbour estimate \(formatted(information.rankCorrelation, digits: 2))",
            "expert \\ target " + grid.targetLayers.map { "\($0 % 10) " }.joined(),
        ]
        for (row, layer) in grid.expertLayers.enumerated() {
            let cells = grid.targetLayers.enumerated().map { column, target in
                let share = high > low ? (matrix[row, column] - low) / (high - low) : 0
                let digit = "\(min(Int(share * 10), 9))"
                return chosen.contains(LayerPair(expert: layer, target: target)) ? digit + "*" : digit + " "
            }
            lines.append("\(layer)".leftPadded(to: 15) + " " + cells.joined())
        }
        return lines.joined(separator: "\n")
    }

    private var pairTable: String {
        var lines = [
            "pairs (* above), by \(options.pairing.rawValue): expert layer, target layer, information, stability, AUC of the "
                + "target's states along the direction, cosine with its own mean difference"
                + (options.align == .expertScore
                    ? ", correlation with the scores" : ", R² of the target's states")
        ]
        for entry in pairs {
            let last = options.align == .expertScore ? entry.correlation : entry.figures?.explained
            lines.append(
                "\(entry.pair.expert)".leftPadded(to: 4) + "\(entry.pair.target)".leftPadded(to: 5)
                    + formatted(entry.information, digits: 2).leftPadded(to: 8)
                    + formatted(entry.stability, digits: 2).leftPadded(to: 7)
                    + formatted(entry.diagnostics.auc, digits: 3).leftPadded(to: 8)
                    + (entry.diagnostics.cosineWithMeanDifference.map { formatted($0, digits: 3) } ?? "-")
                    .leftPadded(to: 9) + (last.map { formatted($0, digits: 3) } ?? "-").leftPadded(to: 9))
        }
        return lines.joined(separator: "\n")
    }

    private var trialTable: String {
        guard !trials.isEmpty else { return "" }
        var lines = [
            "effect on held-out pairs, in nats per token, all at the same KL on neutral text"
        ]
        for trial in trials {
            let layers = trial.pairs.map(\.target)
            let range = layers.isEmpty ? "" : "\(layers[0])-\(layers[layers.count - 1])"
            lines.append(
                "  \(trial.kind.rawValue.padded(to: 20)) layers \(range.padded(to: 6)) "
                    + "\(formatted(trial.effect.mean, digits: 4)) ± \(formatted(2 * trial.effect.standardError, digits: 4))"
            )
        }
        return lines.joined(separator: "\n")
    }
}

private func interval(_ range: ClosedRange<Double>, digits: Int) -> String {
    "[\(formatted(range.lowerBound, digits: digits)), \(formatted(range.upperBound, digits: digits))]"
}

extension String {
    /// The text, padded with spaces on the left.
    fileprivate func leftPadded(to width: Int) -> String {
        String(repeating: " ", count: Swift.max(0, width - count)) + self
    }
}
