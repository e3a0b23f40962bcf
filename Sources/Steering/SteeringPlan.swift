// SPDX-License-Identifier: Apache-2.0
// Active profiles, compiled to the steps of the forward pass at each site of each layer. Strengths, residual RMS and
// coefficients are multiplied here once, so a token costs one pass over a vector per operation.

import Formats

/// A profile and its strength.
package struct ActiveProfile: Sendable {
    package let profile: SteeringProfile
    /// In units of each layer's residual RMS; 1 adds the profile's direction scaled to one RMS.
    package let strength: Float

    package init(profile: SteeringProfile, strength: Float) {
        self.profile = profile
        self.strength = strength
    }
}

/// The compiled form of all active profiles. Immutable; empty when nothing is active.
package struct SteeringPlan: Sendable {
    /// Steps per site and layer, in the order of the profiles: index site · layerCount + layer.
    private let steps: [[SteeringStep]]
    /// The conditions of all gated steps.
    package let conditions: [SteeringCondition]
    private let layerCount: Int
    package let isEmpty: Bool

    /// Plan without any step.
    package static let none = SteeringPlan(active: [], layerCount: 0)

    /// - Parameter active: profiles in the order of application; those of strength 0 have no effect.
    /// - Precondition: the profiles have the model's shape, see `SteeringProfile.checkShape`.
    package init(active: [ActiveProfile], layerCount: Int) {
        var steps = [[SteeringStep]](repeating: [], count: SteeringProfile.Site.allCases.count * layerCount)
        var conditions: [SteeringCondition] = []
        for entry in active where entry.strength != 0 {
            // The operations of a profile usually share one condition, which is then evaluated once.
            var indices: [SteeringProfile.Gate: Int] = [:]
            for operation in entry.profile.operations {
                let slot = operation.site.index * layerCount + operation.layer
                guard var step = SteeringStep(operation, of: entry) else { continue }
                if let gate = operation.gate {
                    if indices[gate] == nil {
                        indices[gate] = conditions.count
                        conditions.append(SteeringCondition(gate, of: entry.profile))
                    }
                    step.condition = indices[gate]
                }
                steps[slot].append(step)
            }
        }
        self.steps = steps
        self.conditions = conditions
        self.layerCount = layerCount
        isEmpty = steps.allSatisfy(\.isEmpty)
    }

    /// The first position at which a token of the prompt, or a generated one, may be changed; nil for none.
    package func firstPosition(isPrompt: Bool) -> Int? {
        steps.joined().lazy.filter { step in
            // The decision of a prompt concerns generated tokens only.
            let waits = step.condition.map { conditions[$0].scope == .prompt } ?? false
            return step.phase.includes(prompt: isPrompt) && !(isPrompt && waits)
        }
        .map(\.positions.lowerBound).min()
    }

    /// The first position at which prompt tokens and generated tokens may be treated differently; nil for none.
    package var firstPositionOfOnePhase: Int? {
        steps.joined().lazy.filter { step in
            step.phase != .both || step.condition.map { conditions[$0].scope == .prompt } ?? false
        }
        .map(\.positions.lowerBound).min()
    }

    /// The steps at one site of one layer.
    package func steps(at site: SteeringProfile.Site, layer: Int) -> [SteeringStep] {
        steps[site.index * layerCount + layer]
    }
}

extension SteeringProfile.Site {
    fileprivate var index: Int {
        switch self {
        case .residual: 0
        case .attentionOutput: 1
        case .feedForwardOutput: 2
        case .headOutputs: 3
        }
    }
}

extension [Float] {
    /// The vector divided by its Euclidean norm; a zero vector stays zero.
    package var unitNorm: [Float] {
        let norm = reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        return norm > 0 ? map { Float(Double($0) / norm) } : self
    }

    /// The component orthogonal to a unit vector, normalized.
    package func unitNorm(orthogonalTo vector: [Float]) -> [Float] {
        let projection = zip(self, vector).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        return zip(self, vector).map { Float(Double($0) - projection * Double($1)) }.unitNorm
    }
}
