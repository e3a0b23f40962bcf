// SPDX-License-Identifier: Apache-2.0
// The steering operations and their properties; `SteeringStep` has their formulas.

/// What an operation does; h is the state, v the vector, w = strength · coefficient, r the layer's residual RMS.
package enum SteeringOperation: String, Sendable, CaseIterable {
    /// h ← h + w · r · v
    case add
    /// h ← h − w · (v·h) · v; v has norm 1.
    case projectOut
    /// h ← h + w · (target · r − v·h) · v when v·h is below or above target · r; v has norm 1.
    case clamp
    /// Rotates h in the plane of v and the vector `second`, u, which is orthonormal to v. Without a target it turns by w
    /// radians from u towards v; with one it goes the share w of the way to that angle, in degrees from v towards u.
    case rotate
    /// h ← h + w · h ⊙ v; v is a mask.
    case scale

    /// The name that people read and type.
    package var displayName: String { self == .projectOut ? "project-out" : rawValue }

    /// Whether its formula holds only for vectors of norm 1.
    var needsUnitNorm: Bool { self == .projectOut || self == .clamp || self == .rotate }
}

extension SteeringProfile {
    /// An operation with its parameters.
    package struct Kind: Sendable, Equatable {
        package let operation: SteeringOperation
        /// Clamp: the bound in units of r. Rotation: the angle in degrees; nil turns by the strength alone.
        package let target: Float?
        /// Clamp only.
        package let condition: ClampCondition?
        /// Rotation: index of the second vector into `vectors`.
        package var second: Int?

        init(
            _ operation: SteeringOperation, target: Float? = nil, condition: ClampCondition? = nil,
            second: Int? = nil
        ) {
            self.operation = operation
            self.target = target
            self.condition = condition
            self.second = second
        }

        package static let add = Kind(.add)
        package static let projectOut = Kind(.projectOut)
        package static let scale = Kind(.scale)

        package static func clamp(target: Float, _ condition: ClampCondition) -> Kind {
            Kind(.clamp, target: target, condition: condition)
        }

        package static func rotate(second: Int, target: Float?) -> Kind {
            Kind(.rotate, target: target, second: second)
        }

        /// Largest useful w: 1 for projections, clamps and rotations to a target, π/2 for rotations without one, 64 otherwise.
        package var largestAmount: Float {
            switch operation {
            case .add, .scale: 64
            case .projectOut, .clamp: 1
            case .rotate: target == nil ? .pi / 2 : 1
            }
        }
    }
}
