// SPDX-License-Identifier: Apache-2.0
// Line search along a descent direction under the Wolfe conditions (Nocedal, Wright 2006, §3.1). Close to an optimum it
// uses the approximate conditions of Hager and Zhang (2005, SIAM J. Optim. 16): there values differ by less than their
// rounding error, and only slopes still locate the minimum.

import LinearAlgebra

/// A point on a line, with the function's value and gradient there.
struct LinePoint {
    let point: [Double]
    /// Step size, in units of the direction.
    let size: Double
    let value: Double
    let gradient: [Double]
    /// Derivative along the line.
    let slope: Double

    var isFinite: Bool { value.isFinite && slope.isFinite }
}

/// Searches along start + size · direction.
struct LineSearch {
    let start: LinePoint
    let direction: [Double]
    /// Upper bound of the error of values.
    let rounding: Double
    let function: ([Double]) -> (value: Double, gradient: [Double])

    /// Share of the predicted decrease that a step must reach, and share of the slope that may remain after it.
    private static let gain = 1e-4, slopeLeft = 0.9

    /// - Parameter direction: a direction of descent.
    init(
        from point: LinePoint, along direction: [Double], rounding: Double,
        _ function: @escaping ([Double]) -> (value: Double, gradient: [Double])
    ) {
        start = LinePoint(
            point: point.point, size: 0, value: point.value, gradient: point.gradient,
            slope: dotProduct(direction, point.gradient))
        self.direction = direction
        self.rounding = rounding
        self.function = function
    }

    /// A point that satisfies the conditions. If 25 evaluations find none, the best of those that do not rise; nil if all rise.
    func run() -> LinePoint? {
        // The minimum is between `low`, where the function still falls, and `high`, where it has risen.
        var low = start
        var high: LinePoint?
        var size = 1.0
        for _ in 0..<25 {
            let next = evaluate(size)
            if isAcceptable(next) { return next }
            let width = high.map { $0.size - low.size }
            if next.isFinite, next.value <= start.value + rounding, next.slope < 0 {
                low = next
            } else {
                high = next
            }
            guard let end = high else {
                size *= 4
                continue
            }
            // Bisect an interval that shrinks slowly.
            let isSlow = width.map { end.size - low.size > 0.6 * $0 } ?? false
            size = isSlow ? (low.size + end.size) / 2 : trial(low, end)
            guard size > low.size, size < end.size else { break }
        }
        return low.size > 0 ? low : nil
    }

    private func evaluate(_ size: Double) -> LinePoint {
        let point = zip(start.point, direction).map { $0 + size * $1 }
        let (value, gradient) = function(point)
        return LinePoint(
            point: point, size: size, value: value, gradient: gradient,
            slope: dotProduct(direction, gradient))
    }

    private func isAcceptable(_ next: LinePoint) -> Bool {
        guard next.isFinite, abs(next.slope) <= Self.slopeLeft * abs(start.slope) else { return false }
        let gains = next.value <= start.value + Self.gain * next.size * start.slope
        // On a parabola this condition on the slope at the end is equivalent to sufficient decrease.
        let turnsInTime = next.slope <= (2 * Self.gain - 1) * start.slope
        return gains || turnsInTime && next.value <= start.value + rounding
    }

    /// The zero of the slope by linear interpolation, kept well inside the interval.
    private func trial(_ low: LinePoint, _ high: LinePoint) -> Double {
        let width = high.size - low.size
        guard high.isFinite else { return low.size + 0.1 * width }
        guard high.slope > 0 else { return low.size + 0.5 * width }
        let share = low.slope / (low.slope - high.slope)
        return low.size + min(max(share, 0.1), 0.9) * width
    }
}
