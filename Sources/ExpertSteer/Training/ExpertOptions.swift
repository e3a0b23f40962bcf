// SPDX-License-Identifier: Apache-2.0
// Options for learning from another model.

import Directions
import Formats

/// How the expert's knowledge is transferred to the target's width.
package enum ExpertAlignment: String, Sendable, CaseIterable {
    /// Auto-encoder alignment as published (arXiv 2505.12313): it uses the expert's states alone. Nothing ties its axes
    /// to the target's, so it finds the target's directions only by chance.
    case autoencoder
    /// Auto-encoder alignment, tied to the target's states of the same texts.
    case anchored
    /// Linear regression of the target's states on the expert's.
    case ridge
    /// A rotation and one scale factor.
    case procrustes
    /// No map: the covariance of the target's states with the expert's scores of the texts.
    case expertScore = "expert-score"

    /// The map of states; nil for `expertScore`.
    var method: AlignmentMethod? { AlignmentMethod(rawValue: rawValue) }
}

package struct ExpertOptions: Sendable {
    package var name: String
    package var description = ""
    package var align = ExpertAlignment.expertScore
    package var pairing = PairingPolicy.matchedDepth
    package var vector = DirectionMethod.rfm
    /// Steered layers of the target; nil chooses them.
    package var layers: [Int]?
    package var seed: UInt64 = 0
    /// Pairs and unlabelled texts to use, evenly spaced.
    package var maximumPairCount = 512
    package var maximumTextCount = 1024
    /// Also fits each direction with a randomly rotated encoder, which doubles the work.
    package var fitsRotated = true

    package init(name: String) { self.name = name }
}

/// Progress of training from an expert.
package enum ExpertProgress: Sendable, Equatable {
    case capturing(model: String)
    /// Reads the layers of both models, one by one.
    case reading
    /// Estimates mutual information between all layers of both models.
    case comparing
    /// Fits directions.
    case fitting
    /// Tries choices on the target.
    case choosing
}

/// Receives (step, done, total); an error that it throws ends the work.
package typealias ExpertProgressHandler = (ExpertProgress, Int, Int) throws -> Void
