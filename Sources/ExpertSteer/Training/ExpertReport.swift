// SPDX-License-Identifier: Apache-2.0
// The results of a training as values: for printing, for a file, and in short form for the profile.

import Directions
import Evaluation
import JSON
import LinearAlgebra
import Training

/// A choice of layers, tried on held-out pairs at the side-effect budget of a profile.
package struct ExpertTrial: Sendable {
    package enum Kind: String, Sendable {
        /// The expert's directions on one choice of layers.
        case candidate = "expert"
        /// The randomly rotated control on the chosen layers.
        case rotated = "rotated-control"
        /// The target's own mean difference on the chosen layers, from the same pairs.
        case meanDifference = "own-mean-difference"
    }

    package let kind: Kind
    package let pairs: [LayerPair]
    /// Change of the log-odds of the positive side, in nats per token.
    package let effect: RunningMean

    /// Lower end of the effect's interval.
    package var score: Double { effect.mean - 2 * effect.standardError }

    var json: JSON {
        [
            "what": .string(kind.rawValue), "layers": .array(pairs.map { .integer($0.target) }),
            "effect": .number(effect.mean.rounded(6)),
            "standard_error": .number(effect.standardError.rounded(6)),
        ]
    }
}

/// A pair of layers and its direction.
package struct ExpertPairReport: Sendable {
    let direction: ExpertDirection
    /// Mutual information between both layers in nats, above the chance level.
    package let information: Double
    /// Share of bootstrap samples of the texts that choose the same expert layer.
    package let stability: Double
    /// Diagnostics of the direction on the target's own states.
    package let diagnostics: DirectionDiagnostics
    /// Diagnostics of the control; nil for expert-score.
    package let rotated: DirectionDiagnostics?

    package var pair: LayerPair { direction.pair }
    package var figures: AlignmentFigures? { direction.figures }
    package var correlation: Double? { direction.correlation }

    var json: JSON {
        var object: JSON.Object = [
            "expert_layer": .integer(pair.expert), "target_layer": .integer(pair.target),
            "information": .number(information.rounded(4)), "stability": .number(stability.rounded(4)),
            "target_auc": .number(diagnostics.auc.rounded(4)),
            "pair_accuracy": .number(diagnostics.pairAccuracy.rounded(4)),
        ]
        func set(_ key: String, _ value: Double?) {
            if let value, value.isFinite { object[key] = .number(value.rounded(4)) }
        }
        set("cosine_with_own_mean_difference", diagnostics.cosineWithMeanDifference)
        set("score_correlation", correlation)
        set("reconstruction", figures?.reconstruction)
        set("explained", figures?.explained)
        set("agreement", figures?.agreement)
        set("ridge", figures?.ridge)
        set("leading_share", direction.spectrum?.dominance)
        set("participation_ratio", direction.spectrum?.participationRatio)
        set("rotated_auc", rotated?.auc)
        set("rotated_cosine_with_own_mean_difference", rotated?.cosineWithMeanDifference)
        return .object(object)
    }
}

/// All results of a training.
package struct ExpertReport: Sendable {
    package let options: ExpertOptions
    package let states: SharedStates
    package let gap: ExpertiseGap
    package let grid: LayerGrid
    package let information: MutualInformationMatrix
    package let pairs: [ExpertPairReport]
    package let trials: [ExpertTrial]
    package let strengths: CalibratedStrength

    /// Cautions about using the profile.
    package var warnings: [String] {
        var warnings: [String] = []
        if !gap.expertHasSomethingToTeach { warnings.append(gap.verdict.explanation) }
        if options.align == .autoencoder {
            warnings.append(
                "the axes of the auto-encoder's code are arbitrary: nothing ties them to the target's, and a random "
                    + "rotation of the code fits the expert's states as well; compare with the rotated control"
            )
        }
        let rowCount = 2 * states.pairCount + states.textCount
        if options.pairing.needsInformation, rowCount < Self.rowsForInformation {
            warnings.append(
                "\(rowCount) rows are few for mutual information, on which the pairing depends; at least "
                    + "\(Self.rowsForInformation) are better, and --texts adds more")
        }
        if states.unreadCount > 0 {
            warnings.append(
                "\(states.unreadCount) pairs and texts are left out: one of the models has no token to read in them"
            )
        }
        if let best = effect(of: .candidate), best.effect.mean - 2 * best.effect.standardError <= 0 {
            warnings.append("the profile's effect is not significant on held-out pairs")
        }
        return warnings
    }

    private static let rowsForInformation = 512

    /// The best trial of a kind.
    package func effect(of kind: ExpertTrial.Kind) -> ExpertTrial? {
        trials.filter { $0.kind == kind }.max { $0.score < $1.score }
    }

    /// The short form for the profile.
    var evaluation: JSON {
        [
            "damage_at_recommended": .number(strengths.damage.rounded(6)), "gap": gap.json,
            "pairs": .array(pairs.map(\.json)), "choices": .array(trials.map(\.json)),
            "warnings": .array(warnings.map { .string($0) }),
        ]
    }

    /// The complete report.
    package func json(profile: String) -> JSON {
        func rows(_ matrix: Matrix) -> JSON {
            .array(
                (0..<matrix.rows).map { row in .array(matrix.row(row).map { .number($0.rounded(4)) }) })
        }
        return [
            "profile": .string(profile), "target": .string(states.target.name),
            "expert": .string(states.expert.name), "align": .string(options.align.rawValue),
            "pairing": .string(options.pairing.rawValue), "vector": .string(options.vector.rawValue),
            "seed": .string("\(options.seed)"), "pairs_read": .integer(states.pairCount),
            "texts_read": .integer(states.textCount), "unread": .integer(states.unreadCount),
            "recommended_strength": .number(Double(strengths.recommended)),
            "maximum_strength": .number(Double(strengths.maximum)), "evaluation": evaluation,
            "information": [
                "expert_layers": .array(grid.expertLayers.map { .integer($0) }),
                "target_layers": .array(grid.targetLayers.map { .integer($0) }),
                "gaussian": rows(information.gaussian), "chance": rows(information.chance),
                "nearest_neighbours": rows(information.nearestNeighbours),
                "rank_correlation": .number(information.rankCorrelation.rounded(4)),
            ],
        ]
    }
}
