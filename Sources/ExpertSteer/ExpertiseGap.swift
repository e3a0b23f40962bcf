// SPDX-License-Identifier: Apache-2.0
// Does the expert read the concept better than the target? On a concept that both read equally well an expert has nothing
// to teach, whatever the method.

import Evaluation

/// Readings of two models over the same pairs.
package struct ExpertiseGap: Sendable {
    package enum Verdict: String, Sendable, CaseIterable {
        case expertReadsBetter = "expert-reads-better"
        case targetReadsBetter = "target-reads-better"
        case noDifference = "no-difference"
        case expertCannotRead = "expert-cannot-read"
    }

    /// By layer.
    package let expert, target: [LayerProbe]
    /// Held-out areas under the curve at a layer that is chosen on the other folds, so that the best of many layers
    /// owes nothing to chance; with 95 % intervals over pairs.
    package let expertAUC, targetAUC: Double
    package let expertInterval, targetInterval: ClosedRange<Double>
    /// expertAUC − targetAUC, and its interval: the same resampled pairs for both, so that pairs which are hard for both
    /// do not blur it.
    package let difference: Double
    package let interval: ClosedRange<Double>
    package let verdict: Verdict

    /// - Precondition: both have readings, all of the same pairs under the same options.
    package init(expert: [LayerProbe], target: [LayerProbe]) {
        precondition(!expert.isEmpty && !target.isEmpty, "ExpertiseGap: a model without readings")
        let folds = expert[0].folds
        precondition(
            (expert + target).allSatisfy {
                $0.folds.pairs == folds.pairs && $0.folds.resamples.count == folds.resamples.count
            },
            "ExpertiseGap: readings of other pairs")
        self.expert = expert
        self.target = target
        expertAUC = Self.crossFitted(expert, folds.plainWeights, folds)
        targetAUC = Self.crossFitted(target, folds.plainWeights, folds)
        difference = expertAUC - targetAUC
        let resampled = folds.resamples.map { weights in
            (
                expert: Self.crossFitted(expert, weights, folds),
                target: Self.crossFitted(target, weights, folds)
            )
        }
        expertInterval = middle(of: resampled.map(\.expert))
        targetInterval = middle(of: resampled.map(\.target))
        interval = middle(of: resampled.map { $0.expert - $0.target })
        // Below 0.5 a difference is one of noise.
        verdict =
            if interval.lowerBound > 0, expertInterval.lowerBound > 0.5 {
                .expertReadsBetter
            } else if interval.upperBound < 0, targetInterval.lowerBound > 0.5 {
                .targetReadsBetter
            } else if expertInterval.lowerBound <= 0.5 {
                .expertCannotRead
            } else {
                .noDifference
            }
    }

    /// The layers that read best, over all folds.
    package var bestExpert: LayerProbe { Self.best(of: expert) }
    package var bestTarget: LayerProbe { Self.best(of: target) }

    package var expertHasSomethingToTeach: Bool { verdict == .expertReadsBetter }

    private static func best(of readings: [LayerProbe]) -> LayerProbe {
        // The first of equals.
        readings.dropFirst().reduce(readings[0]) { $1.auc > $0.auc ? $1 : $0 }
    }

    /// The mean over folds of the area at the layer that is best on all other folds.
    private static func crossFitted(
        _ readings: [LayerProbe], _ weights: [[Double]], _ folds: PairFolds
    ) -> Double {
        let areas = readings.map { $0.areas(weights) }
        let chosen = folds.pairs.indices.map { fold in
            let scores = areas.map { $0.reduce(0, +) - $0[fold] }
            let layer = scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
            return areas[layer][fold]
        }
        return folds.mean(chosen)
    }
}

extension ExpertiseGap.Verdict {
    /// What it means for training, in a sentence.
    package var explanation: String {
        switch self {
        case .expertReadsBetter:
            "the expert reads this concept better than the target: it has something to teach"
        case .targetReadsBetter:
            "the target reads this concept better than the expert, which has nothing to teach"
        case .noDifference:
            "no difference between expert and target can be shown on these pairs; the expert has nothing to teach as "
                + "far as they say"
        case .expertCannotRead: "the expert does not read this concept; it has nothing to teach"
        }
    }
}
