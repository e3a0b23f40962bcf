// SPDX-License-Identifier: Apache-2.0
// The operations that there are, and all in which they differ but their formulas: those are `SteeringStep`'s.

/// What is done with a direction; h is the state, v the vector, w = strength · coefficient, r the layer's residual RMS.
package enum SteeringOperation: String, Sendable, CaseIterable {
    /// h ← h + w · r · v
    case add
    /// h ← h − w · (v·h) · v; v has norm 1.
    case projectOut
    /// h ← h + w · (target · r − v·h) · v when v·h is below or above target · r; v has norm 1.
    case clamp
    /// Turns the part of h in the plane of v and u, the vector `second`, orthonormal: without a target by w radians
    /// from u towards v; with one by the share w of the way to that angle, in degrees from v towards u.
    case rotate
    /// h ← h + w · h ⊙ v; v is a mask.
    case scale

    /// Its name where people read and type it.
    package var displayName: String { self == .projectOut ? "project-out" : rawValue }

    /// Whether its formula holds for vectors of norm 1 alone.
    var needsUnitNorm: Bool { self == .projectOut || self == .clamp || self == .rotate }
}

extension SteeringProfile {
    /// An operation with its numbers.
    package struct Kind: Sendable, Equatable {
        package let operation: SteeringOperation
        /// Of a clamp in units of r; of a rotation in degrees, nil turns by the strength alone.
        package let target: Float?
        /// Of a clamp.
        package let condition: ClampCondition?
        /// Index of a rotation's second vector into `vectors`.
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

        /// Beyond this w an operation does less of what it is for, or the same again: at 1 a direction is gone, a bound
        /// reached, and after a quarter turn the direction is.
        package var largestAmount: Float {
            switch operation {
            case .add, .scale: 64
            case .projectOut, .clamp: 1
            case .rotate: target == nil ? .pi / 2 : 1
            }
        }
    }
}
