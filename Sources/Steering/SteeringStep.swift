// SPDX-License-Identifier: Apache-2.0
// One operation with its numbers multiplied out, and what it does to a row of the stream.

import Formats
import Glibc
import Kernels

/// What steering does to a row x of the stream at one site of one layer.
package struct SteeringStep: Sendable {
    package enum Kind: Sendable {
        /// x += amount · v
        case add(amount: Float)
        /// x −= amount · v (v·x), with v of unit norm.
        case projectOut(amount: Float)
        /// x += amount · (bound − v·x) v where v·x lies on the wrong side of the bound, with v of unit norm.
        case clamp(bound: Float, SteeringProfile.ClampCondition, amount: Float)
        /// Turns x in the plane of v and u from u towards v.
        case turn(cosine: Float, sine: Float)
        /// Turns x in the plane of v and u by a share of the way to the angle target, in radians from v towards u.
        case turnTo(target: Float, share: Float)
        /// x[i] += amount · v[i] · x[i]
        case scale(amount: Float)
    }

    package let kind: Kind
    /// v [width of the site].
    package let direction: [Float]
    /// u of a rotation, orthonormal to v; empty elsewhere.
    package let second: [Float]
    /// Rescales x to the norm that it had before.
    package let keepsNorm: Bool
    /// Whether it acts on the heads' outputs as the source has them.
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
        let amount = entry.strength * operation.coefficient
        guard amount != 0 else { return nil }
        let rms = profile.residualRMS[operation.layer]
        let vector = profile.vector(operation.vector, of: operation)
        var second: [Float] = []
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
        case .rotate(let other, let target):
            kind =
                target.map { .turnTo(target: $0 * .pi / 180, share: amount) }
                ?? .turn(cosine: cosf(amount), sine: sinf(amount))
            direction = vector.unitNorm
            second = profile.vector(other, of: operation).unitNorm(orthogonalTo: direction)
        case .scale:
            kind = .scale(amount: amount)
            direction = vector
        }
        self.second = second
        keepsNorm = operation.keepsNorm
        hasSourceBasis = operation.site == .headOutputs && operation.basis == .source
        phase = profile.phase
        positions = operation.firstPosition..<(operation.endPosition ?? .max)
    }

    /// - Parameter row: one state [width of the site].
    func apply(to row: UnsafeMutablePointer<Float>, with compute: Compute) {
        let width = direction.count
        let squaredNorm = keepsNorm ? compute.dot(row, row, count: width) : 0
        switch kind {
        case .add(let amount):
            compute.addScaled(direction, scale: amount, to: row, count: width)
        case .projectOut(let amount):
            let projection = compute.dot(direction, row, count: width)
            compute.addScaled(direction, scale: -amount * projection, to: row, count: width)
        case .clamp(let bound, let condition, let amount):
            let projection = compute.dot(direction, row, count: width)
            guard condition.holds(for: projection, bound: bound) else { return }
            compute.addScaled(direction, scale: amount * (bound - projection), to: row, count: width)
        case .turn(let cosine, let sine):
            let (p, q) = (
                compute.dot(direction, row, count: width), compute.dot(second, row, count: width)
            )
            turn(row, p, q, cosine, sine, with: compute)
        case .turnTo(let target, let share):
            let (p, q) = (
                compute.dot(direction, row, count: width), compute.dot(second, row, count: width)
            )
            // The shorter way round, in −π ... π; the step's own sense is the other one.
            let angle = -share * remainderf(target - atan2f(q, p), 2 * .pi)
            turn(row, p, q, cosf(angle), sinf(angle), with: compute)
        case .scale(let amount):
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

    /// The components p along v and q along u become p cos + q sin and q cos − p sin.
    private func turn(
        _ row: UnsafeMutablePointer<Float>, _ p: Float, _ q: Float, _ cosine: Float, _ sine: Float,
        with compute: Compute
    ) {
        let width = direction.count
        compute.addScaled(direction, scale: p * cosine + q * sine - p, to: row, count: width)
        compute.addScaled(second, scale: q * cosine - p * sine - q, to: row, count: width)
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
