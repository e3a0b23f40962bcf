// SPDX-License-Identifier: Apache-2.0
// Active profiles, compiled to what the forward pass does at each site of each layer. Strengths, residual
// RMS and coefficients are multiplied here once, so that a token costs one pass over a vector per operation.

import Formats
import Kernels

/// A profile and how strongly it is applied.
package struct ActiveProfile: Sendable {
    package let profile: SteeringProfile
    /// In units of each layer's residual RMS; 1 adds a vector of one RMS times the profile's direction.
    package let strength: Float

    package init(profile: SteeringProfile, strength: Float) {
        self.profile = profile
        self.strength = strength
    }
}

/// What steering does to a row x of the stream at one site of one layer.
package struct SteeringStep: Sendable {
    package enum Kind: Sendable {
        /// x += amount · v
        case add(amount: Float)
        /// x −= amount · v (v·x), with v of unit norm.
        case projectOut(amount: Float)
        /// x += amount · (bound − v·x) v where v·x lies on the wrong side of the bound, with v of unit norm.
        case clamp(bound: Float, SteeringProfile.ClampCondition, amount: Float)
    }

    package let kind: Kind
    package let direction: [Float]
    /// Rescales x to the norm that it had before.
    package let keepsNorm: Bool
    package let phase: SteeringProfile.Phase
}

/// The compiled form of all active profiles. Immutable; empty when nothing is active.
package struct SteeringPlan: Sendable {
    /// Steps of a site and layer, in the order of the profiles: index site · layerCount + layer.
    private let steps: [[SteeringStep]]
    private let layerCount: Int
    package let isEmpty: Bool

    /// Plan without any step.
    package static let none = SteeringPlan(active: [], layerCount: 0)

    /// - Parameter active: profiles in the order of application; those of strength 0 leave no trace.
    /// - Precondition: the profiles have the model's shape, see `SteeringProfile.checkShape`.
    package init(active: [ActiveProfile], layerCount: Int) {
        var steps = [[SteeringStep]](repeating: [], count: SteeringProfile.Site.allCases.count * layerCount)
        for entry in active where entry.strength != 0 {
            for operation in entry.profile.operations {
                let slot = operation.site.index * layerCount + operation.layer
                guard let step = SteeringStep(operation, of: entry) else { continue }
                steps[slot].append(step)
            }
        }
        self.steps = steps
        self.layerCount = layerCount
        isEmpty = steps.allSatisfy(\.isEmpty)
    }

    /// The steps of one place in the forward pass.
    package func steps(at site: SteeringProfile.Site, layer: Int) -> [SteeringStep] {
        steps[site.index * layerCount + layer]
    }
}

extension SteeringStep {
    /// - Returns: nil where the operation would do nothing at this strength.
    fileprivate init?(_ operation: SteeringProfile.Operation, of entry: ActiveProfile) {
        let profile = entry.profile
        let amount = entry.strength * operation.coefficient
        guard amount != 0 else { return nil }
        let rms = profile.residualRMS[operation.layer]
        let vector = profile.vectors[operation.vector]
        switch operation.kind {
        case .add:
            kind = .add(amount: amount * rms)
            direction = vector
        case .projectOut:
            kind = .projectOut(amount: amount)
            direction = vector.unitNorm
        case .clamp(let target, let condition):
            kind = .clamp(bound: target * rms, condition, amount: amount)
            direction = vector.unitNorm
        }
        keepsNorm = operation.keepsNorm
        phase = profile.phase
    }
}

extension SteeringProfile.Site {
    fileprivate var index: Int {
        switch self {
        case .residual: 0
        case .attentionOutput: 1
        case .feedForwardOutput: 2
        }
    }
}

extension [Float] {
    /// The vector divided by its Euclidean norm; a zero vector stays zero.
    package var unitNorm: [Float] {
        let norm = reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        return norm > 0 ? map { Float(Double($0) / norm) } : self
    }
}
