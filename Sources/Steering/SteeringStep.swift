// SPDX-License-Identifier: Apache-2.0
// One operation with its factors multiplied out, and its effect on a row of the residual stream.

import Formats
import Glibc
import Kernels

/// One steering operation on a row x at one site of one layer.
package struct SteeringStep: Sendable {
    let operation: SteeringOperation
    /// w; w · r for `add`.
    let amount: Float
    /// Clamp: the bound. Rotation: the target angle in radians.
    let target: Float?
    let clampCondition: SteeringProfile.ClampCondition?
    /// v [width of the site].
    package let direction: [Float]
    /// u of a rotation, orthonormal to v; empty elsewhere.
    package let second: [Float]
    /// Whether x is rescaled to the norm it had before.
    package let keepsNorm: Bool
    /// Whether it acts on the heads' outputs in the source's basis.
    let hasSourceBasis: Bool
    package let phase: SteeringProfile.Phase
    /// Positions of the context at which it acts.
    package let positions: Range<Int>
    /// Index into the plan's conditions; nil acts always.
    package internal(set) var condition: Int?
}

extension SteeringStep {
    /// - Returns: nil where the operation would do nothing at this strength.
    init?(_ operation: SteeringProfile.Operation, of entry: ActiveProfile) {
        let profile = entry.profile
        let (kind, amount) = (operation.kind, entry.strength * operation.coefficient)
        guard amount != 0 else { return nil }
        let rms = profile.residualRMS[operation.layer]
        let vector = profile.vector(operation.vector, of: operation)
        let direction = kind.operation.needsUnitNorm ? vector.unitNorm : vector
        self.operation = kind.operation
        self.amount = kind.operation == .add ? amount * rms : amount
        target = kind.target.map { kind.operation == .clamp ? $0 * rms : $0 * .pi / 180 }
        clampCondition = kind.condition
        self.direction = direction
        second =
            kind.second.map { profile.vector($0, of: operation).unitNorm(orthogonalTo: direction) } ?? []
        keepsNorm = operation.keepsNorm
        hasSourceBasis = operation.site == .headOutputs && operation.basis == .source
        phase = profile.phase
        positions = operation.firstPosition..<(operation.endPosition ?? .max)
    }

    /// - Parameter row: one state [width of the site].
    func apply(to row: UnsafeMutablePointer<Float>, with compute: Compute) {
        let width = direction.count
        let squaredNorm = keepsNorm ? compute.dot(row, row, count: width) : 0
        switch operation {
        case .add:
            compute.addScaled(direction, scale: amount, to: row, count: width)
        case .projectOut:
            let projection = compute.dot(direction, row, count: width)
            compute.addScaled(direction, scale: -amount * projection, to: row, count: width)
        case .clamp:
            let (projection, bound) = (compute.dot(direction, row, count: width), target ?? 0)
            guard clampCondition?.holds(for: projection, bound: bound) ?? false else { return }
            compute.addScaled(direction, scale: amount * (bound - projection), to: row, count: width)
        case .rotate:
            // The components p along v and q along u become p cos + q sin and q cos − p sin.
            let p = compute.dot(direction, row, count: width), q = compute.dot(second, row, count: width)
            // A target angle counts from v towards u, `angle` from u towards v; the turn is the shorter one, in −π ... π.
            let angle = target.map { -amount * remainderf($0 - atan2f(q, p), 2 * .pi) } ?? amount
            let (cosine, sine) = (cosf(angle), sinf(angle))
            compute.addScaled(direction, scale: p * cosine + q * sine - p, to: row, count: width)
            compute.addScaled(second, scale: q * cosine - p * sine - q, to: row, count: width)
        case .scale:
            direction.withUnsafeBufferPointer { mask in
                for index in 0..<width { row[index] += amount * mask[index] * row[index] }
            }
        }
        guard keepsNorm else { return }
        let squaredNormAfter = compute.dot(row, row, count: width)
        guard squaredNormAfter > 0 else { return }
        // row += (ratio − 1) · row
        compute.addScaled(
            row, scale: (squaredNorm / squaredNormAfter).squareRoot() - 1, to: row, count: width)
    }
}

extension SteeringProfile.ClampCondition {
    func holds(for projection: Float, bound: Float) -> Bool {
        switch self {
        case .whenBelow: projection < bound
        case .whenAbove: projection > bound
        case .always: true
        }
    }
}
