// SPDX-License-Identifier: Apache-2.0
// L-BFGS (Nocedal, Wright 2006, algorithm 7.5): quasi-Newton minimization with limited memory.

import LinearAlgebra

/// The result of a minimization.
package struct Minimum: Sendable {
    package let parameters: [Double]
    package let value: Double
    /// Norm of the gradient.
    package let slope: Double
    package let iterations: Int
}

/// Minimizes a smooth function.
///
/// Close to an optimum of value f, a change of √ε · f in the gradient changes the value only by ε · f, which is
/// rounding error. There gradients decide about steps and termination, so the optimum does not depend on the rounding of sums.
///
/// - Parameters:
///   - iterations: the maximum.
///   - tolerance: the search ends when the gradient's norm falls below this share of its initial value. If rounding
///     prevents that, it ends after neither value nor gradient has decreased for a while, twice; the second time it
///     starts with an empty memory, so along the gradient.
///   - function: value and gradient.
package func minimize(
    from start: [Double], iterations: Int, tolerance: Double = 1e-10,
    _ function: ([Double]) -> (value: Double, gradient: [Double])
) -> Minimum {
    withoutActuallyEscaping(function) { function in
        var memory = CurvatureMemory(limit: 12)
        let (value, gradient) = function(start)
        var current = LinePoint(point: start, size: 0, value: value, gradient: gradient, slope: 0)
        var progress = DescentProgress(current)
        let goal = tolerance * norm(gradient)
        var count = 0
        while count < iterations, norm(current.gradient) > goal {
            let search = LineSearch(
                from: current, along: memory.descentDirection(current.gradient), rounding: progress.rounding,
                function)
            guard let step = search.run() else {
                // Rounding may have spoiled the memory; with an empty memory the direction is already the gradient's.
                if memory.isEmpty { break }
                memory.forget()
                continue
            }
            memory.append(
                step: zip(step.point, current.point).map { $0 - $1 },
                change: zip(step.gradient, current.gradient).map { $0 - $1 })
            current = step
            count += 1
            progress.add(step)
            if progress.isOver { break }
            if progress.needsNewStart { memory.forget() }
        }
        let best = progress.best
        return Minimum(
            parameters: best.point, value: best.value, slope: norm(best.gradient), iterations: count)
    }
}

/// Tracks the progress of a descent.
private struct DescentProgress {
    /// The point of least value; among values that differ only by rounding, the one with the smallest gradient.
    private(set) var best: LinePoint
    private var leastValue: Double
    /// Points since the last gain.
    private var idle = 0
    /// Estimate of the largest term that values are sums of: the largest value so far.
    private var scale: Double

    /// Points without progress until the memory is cleared; the search ends after as many again.
    private static let patience = 30

    init(_ start: LinePoint) {
        best = start
        leastValue = start.value
        scale = start.value.isFinite ? abs(start.value) : 0
    }

    /// Bound of the values' error: some thousand roundings.
    var rounding: Double { 1e-12 * scale }
    var needsNewStart: Bool { idle == Self.patience }
    var isOver: Bool { idle >= 2 * Self.patience }

    mutating func add(_ next: LinePoint) {
        scale = max(scale, abs(next.value))
        let isEqual = abs(next.value - best.value) <= rounding
        let (slope, bestSlope) = (norm(next.gradient), norm(best.gradient))
        // Rounding alone produces new least values, but ever more rarely.
        let gains = next.value < leastValue || isEqual && slope < 0.9 * bestSlope
        idle = gains ? 0 : idle + 1
        leastValue = min(leastValue, next.value)
        if isEqual ? slope < bestSlope : next.value < best.value { best = next }
    }
}

private func norm(_ x: [Double]) -> Double { dotProduct(x, x).squareRoot() }

/// The last steps and the changes of the gradient along them: an approximate inverse Hessian.
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

    /// −H g, or the negative gradient where rounding has spoiled the memory so far that −H g is no descent direction.
    mutating func descentDirection(_ gradient: [Double]) -> [Double] {
        let direction = newtonDirection(gradient)
        let slope = dotProduct(direction, gradient)
        if slope < -1e-12 * norm(direction) * norm(gradient) { return direction }
        forget()
        return newtonDirection(gradient)
    }

    /// −H g; with an empty memory a step of length at most 1 along the negative gradient.
    private func newtonDirection(_ gradient: [Double]) -> [Double] {
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
