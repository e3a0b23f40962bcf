// SPDX-License-Identifier: Apache-2.0
// Steering at run time: a few vector operations on the rows of the stream.

import Formats
import Kernels
import Platform

extension SteeringPlan {
    /// Whether anything happens at a place.
    package func acts(at site: SteeringProfile.Site, layer: Int) -> Bool {
        !isEmpty && !steps(at: site, layer: layer).isEmpty
    }

    /// Applies the steps of a site to some rows of x.
    ///
    /// - Parameters:
    ///   - x: [tokens × hiddenSize], changed in place.
    ///   - tokens: the rows that are changed.
    ///   - isPrompt: whether the rows belong to the prompt or to generated text; profiles choose their phase.
    package func apply(
        _ site: SteeringProfile.Site, layer: Int, to x: AlignedBuffer<Float>, tokens: Range<Int>,
        isPrompt: Bool,
        with compute: Compute
    ) {
        guard !isEmpty else { return }
        for step in steps(at: site, layer: layer) where step.phase.includes(prompt: isPrompt) {
            let width = step.direction.count
            precondition(tokens.upperBound * width <= x.count, "steering: more rows than the buffer holds")
            for token in tokens {
                step.apply(to: x.baseAddress + token * width, with: compute)
            }
        }
    }
}

extension SteeringStep {
    /// - Parameter row: one state [hiddenSize].
    fileprivate func apply(to row: UnsafeMutablePointer<Float>, with compute: Compute) {
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

extension SteeringProfile.Phase {
    func includes(prompt isPrompt: Bool) -> Bool {
        switch self {
        case .both: true
        case .prompt: isPrompt
        case .generation: !isPrompt
        }
    }
}
