// SPDX-License-Identifier: Apache-2.0
// Descent ends at the optimum however values and gradients are rounded: functions whose optimum is known, computed with
// errors that are drawn anew for every point.

import Directions
import LinearAlgebra
import Testing

struct QuasiNewtonTests {
    typealias Function = ([Double]) -> (value: Double, gradient: [Double])

    /// As if every sum had been added up in another order: values are wrong by so many parts of themselves and of
    /// `scale`, components of the gradient by as many of its norm.
    private func rounded(_ function: @escaping Function, by level: Double, scale: Double, seed: UInt64)
        -> Function
    {
        var random = RandomStream(seed: seed)
        return { point in
            let (value, gradient) = function(point)
            let error = level * norm(gradient)
            return (
                value + level * (abs(value) + scale) * random.nextNormal(),
                gradient.map { $0 + error * random.nextNormal() }
            )
        }
    }

    private func start(_ count: Int, seed: UInt64) -> [Double] {
        var random = RandomStream(seed: seed)
        return (0..<count).map { _ in random.nextNormal() }
    }

    /// 14 + ½ Σ dᵢ (xᵢ − 1)², with curvatures dᵢ from 10⁻² to 82: near the optimum the sum hides what is still to be gained.
    private func valley(_ point: [Double]) -> (value: Double, gradient: [Double]) {
        var value = 14.0, curvature = 1e-2
        var gradient: [Double] = []
        for coordinate in point {
            value += curvature * (coordinate - 1) * (coordinate - 1) / 2
            gradient.append(curvature * (coordinate - 1))
            curvature *= 2
        }
        return (value, gradient)
    }

    /// Σ 100 (x₂ᵢ − x²₂ᵢ₋₁)² + (1 − x₂ᵢ₋₁)² (Rosenbrock 1960), with one minimum, at ones.
    private func bend(_ point: [Double]) -> (value: Double, gradient: [Double]) {
        var value = 0.0
        var gradient: [Double] = []
        for index in stride(from: 0, to: point.count, by: 2) {
            let (x, y) = (point[index], point[index + 1])
            value += 100 * (y - x * x) * (y - x * x) + (1 - x) * (1 - x)
            gradient += [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)]
        }
        return (value, gradient)
    }

    @Test(arguments: [0, 1e-15, 1e-14, 1e-13])
    func theOptimumIsFoundHoweverSumsAreRounded(level: Double) {
        for seed in 0..<200 as Range<UInt64> {
            let wide = minimize(
                from: start(14, seed: seed), iterations: 3000,
                rounded(valley, by: level, scale: 14, seed: seed))
            let bent = minimize(
                from: start(10, seed: seed), iterations: 3000, rounded(bend, by: level, scale: 1, seed: seed))
            // 10⁻¹⁰ of the gradient at the start over the least curvature is what may be left, and what errors hide.
            #expect(wide.parameters.allSatisfy { abs($0 - 1) < 1e-3 }, "seed \(seed)")
            #expect(bent.parameters.allSatisfy { abs($0 - 1) < 1e-5 }, "seed \(seed)")
        }
    }

    @Test func withoutRoundingTheGradientIsWhatEndsIt() {
        let origin = start(14, seed: 7)
        for tolerance in [1e-3, 1e-6, 1e-9] {
            let end = minimize(from: origin, iterations: 3000, tolerance: tolerance, valley)
            #expect(end.slope <= tolerance * norm(valley(origin).gradient))
            #expect(end.slope == norm(valley(end.parameters).gradient))
            #expect(end.iterations < 500)
        }
    }

    @Test func atTheOptimumNothingIsDone() {
        let end = minimize(from: [Double](repeating: 1, count: 14), iterations: 100, valley)
        #expect(end.iterations == 0 && end.value == 14 && end.slope == 0)
    }

    /// Beyond a wall there is no value: as where a factorisation does not exist.
    @Test func pointsWithoutValueAreNotPassed() {
        let end = minimize(from: [5, -3], iterations: 200) { point in
            let (x, y) = (point[0], point[1])
            guard x > 1 else { return (.infinity, [0, 0]) }
            return ((x - 1.01) * (x - 1.01) + y * y, [2 * (x - 1.01), 2 * y])
        }
        #expect(abs(end.parameters[0] - 1.01) < 1e-6 && abs(end.parameters[1]) < 1e-6)
    }

    private func norm(_ x: [Double]) -> Double { dotProduct(x, x).squareRoot() }
}
