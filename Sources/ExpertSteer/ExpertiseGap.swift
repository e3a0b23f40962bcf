// SPDX-License-Identifier: Apache-2.0
// Does the expert read the concept better than the target? If both read it equally well, the expert has nothing to teach,
// whatever the method.

import Evaluation

/// Compares how two models read the same pairs.
package struct ExpertiseGap: Sendable {
    package enum Verdict: String, Sendable, CaseIterable {
        case expertReadsBetter = "expert-reads-better"
        case targetReadsBetter = "target-reads-better"
        case noDifference = "no-difference"
        case expertCannotRead = "expert-cannot-read"
    }

    /// One probe per layer.
    package let expert, target: [LayerProbe]
    /// Held-out areas under the ROC curve at a layer that the other folds choose, so that taking the best of many layers
    /// adds no bias; with 95 % bootstrap intervals over pairs.
    package let expertAUC, targetAUC: Double
    package let expertInterval, targetInterval: ClosedRange<Double>
    /// expertAUC − targetAUC, and its interval. Both models use the same resampled pairs, so pairs that are hard for both
    /// do not widen it.
    package let difference: Double
    package let interval: ClosedRange<Double>
    package let verdict: Verdict

    /// - Precondition: both have probes, all of the same pairs with the same options.
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
        // Below an area of 0.5, a difference is noise.
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

    package var expertHasSomethingToTeach: Bool { verdict == .expertReadsBetter }

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
    /// The consequence for training, in one sentence.
    package var explanation: String {
        switch self {
        case .expertReadsBetter:
            "the expert represents this concept better than the target: it has something to teach"
        case .targetReadsBetter:
            "the target represents this concept better than the expert, which has nothing to teach"
        case .noDifference:
            "no difference between expert and target is significant on these pairs; as far as they show, the expert "
                + "has nothing to teach"
        case .expertCannotRead: "the expert does not represent this concept; it has nothing to teach"
        }
    }
}
