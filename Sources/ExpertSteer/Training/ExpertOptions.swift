// SPDX-License-Identifier: Apache-2.0
// What can be chosen when one model learns from another.

import Directions
import Formats

/// How what the expert knows reaches the target's width.
package enum ExpertAlignment: String, Sendable, CaseIterable {
    /// As published (arXiv 2505.12313): an auto-encoder of the expert's states alone. Nothing ties its axes to the
    /// target's, whose directions it therefore cannot find but by chance.
    case autoencoder
    /// The same, tied to the target's states of the same texts.
    case anchored
    /// Linear regression of the target's states on the expert's.
    case ridge
    /// A rotation and one factor.
    case procrustes
    /// No map: what moves in the target with the expert's judgement of a text.
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
    /// Steered layers of the target; nil chooses.
    package var layers: [Int]?
    package var seed: UInt64 = 0
    /// Pairs and unlabelled texts that are used, spread evenly over all.
    package var maximumPairCount = 512
    package var maximumTextCount = 1024
    /// Fits each direction again through a randomly rotated encoder, which doubles the work.
    package var fitsRotated = true

    package init(name: String) { self.name = name }
}

/// What is going on while a target learns.
package enum ExpertProgress: Sendable, Equatable {
    case capturing(model: String)
    /// Layers of both models are read, one by one.
    case reading
    /// Information between all layers of both.
    case comparing
    /// Directions are fitted.
    case fitting
    /// Choices are tried on the target.
    case choosing
}

/// Receives (what, done, of how many); what it throws ends the work.
package typealias ExpertProgressHandler = (ExpertProgress, Int, Int) throws -> Void
