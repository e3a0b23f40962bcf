// SPDX-License-Identifier: Apache-2.0
// L-BFGS (Nocedal, Wright 2006, algorithms 7.4 and 3.1): minimization with the memory of a few steps.

import LinearAlgebra

/// Where a minimization ended.
package struct Minimum: Sendable {
    package let parameters: [Double]
    package let value: Double
    /// Norm of the gradient.
    package let slope: Double
    package let iterations: Int
}

/// Minimizes a smooth function.
///
/// - Parameters:
///   - iterations: at most.
///   - tolerance: it ends when the gradient's norm falls below this part of what it was at the start, or when ten steps
///     one after the other gain no more than rounding.
///   - function: value and gradient.
package func minimize(
    from start: [Double], iterations: Int, tolerance: Double = 1e-10,
    _ function: ([Double]) -> (value: Double, gradient: [Double])
) -> Minimum {
    var memory = CurvatureMemory(limit: 12)
    var point = start
    var (value, gradient) = function(point)
    let goal = tolerance * norm(gradient)
    var count = 0, idle = 0
    while count < iterations, idle < 10, norm(gradient) > goal {
        var direction = memory.newtonDirection(gradient)
        if dotProduct(direction, gradient) >= 0 {
            memory.forget()
            direction = memory.newtonDirection(gradient)
        }
        guard let step = descend(from: point, value, gradient, along: direction, function) else {
            // Rounding may have spoiled the memory; without one the direction is the gradient's.
            if memory.isEmpty { break }
            memory.forget()
            continue
        }
        memory.append(
            step: zip(step.point, point).map { $0 - $1 },
            change: zip(step.gradient, gradient).map { $0 - $1 })
        idle = value - step.value > 1e-13 * abs(value) ? 0 : idle + 1
        (point, value, gradient) = (step.point, step.value, step.gradient)
        count += 1
    }
    return Minimum(parameters: point, value: value, slope: norm(gradient), iterations: count)
}

/// The first of ever smaller steps that gains at least a little of what the slope promises (Armijo); nil if none does.
private func descend(
    from point: [Double], _ value: Double, _ gradient: [Double], along direction: [Double],
    _ function: ([Double]) -> (value: Double, gradient: [Double])
) -> (point: [Double], value: Double, gradient: [Double])? {
    let slope = dotProduct(direction, gradient)
    var size = 1.0
    for _ in 0..<40 {
        let next = zip(point, direction).map { $0 + size * $1 }
        let (nextValue, nextGradient) = function(next)
        if nextValue.isFinite, nextValue <= value + 1e-4 * size * slope {
            return (next, nextValue, nextGradient)
        }
        size /= 2
    }
    return nil
}

private func norm(_ x: [Double]) -> Double { dotProduct(x, x).squareRoot() }

/// The last steps and how the gradient changed along them: an approximate inverse Hessian.
private struct CurvatureMemory {
    let limit: Int
    private var steps: [(step: [Double], change: [Double], curvature: Double)] = []

    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { steps.isEmpty }

    mutating func forget() { steps = [] }

    mutating func append(step: [Double], change: [Double]) {
        let curvature = dotProduct(step, change)
        // Only positive curvature keeps the approximation positive definite.
        guard curvature > 1e-12 * norm(step) * norm(change) else { return }
        if steps.count == limit { steps.removeFirst() }
        steps.append((step, change, curvature))
    }

    /// −H g; without memory a step of length at most 1 against the gradient.
    func newtonDirection(_ gradient: [Double]) -> [Double] {
        var direction = gradient.map { -$0 }
        guard let last = steps.last else {
            let size = min(1, 1 / max(norm(gradient), .leastNormalMagnitude))
            return direction.map { size * $0 }
        }
        var shares: [Double] = []
        for (step, change, curvature) in steps.reversed() {
            let share = dotProduct(step, direction) / curvature
            for index in direction.indices { direction[index] -= share * change[index] }
            shares.append(share)
        }
        let scale = last.curvature / dotProduct(last.change, last.change)
        for index in direction.indices { direction[index] *= scale }
        for ((step, change, curvature), share) in zip(steps, shares.reversed()) {
            let difference = share - dotProduct(change, direction) / curvature
            for index in direction.indices { direction[index] += difference * step[index] }
        }
        return direction
    }
}
