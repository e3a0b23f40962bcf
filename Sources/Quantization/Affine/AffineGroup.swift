// SPDX-License-Identifier: Apache-2.0
// One group of an affine encoding: the real s and m ≥ 0 with the least Σ w · (s q − m − x)², q in 0…largest.
//
// The error has many local minima in (s, m). A least-squares fit finds the nearest one, so fits start from many
// ranges: the group's own range, narrowed (to cut off outliers) or widened at each end.

struct AffineGroup {
    /// The largest code: 7, 15 or 31.
    let largest: Float

    /// Fractions of the group's range by which a starting range is narrowed at one end; negative values widen it.
    private static let narrowings: [Float] = [-0.05, -0.02, 0.01, 0.04, 0.07, 0.1, 0.13, 0.17]
    /// Alternations of codes and (s, m), from each start and again from the best.
    private static let fitCount = 3
    /// The smallest fraction of Σ w x² at which an inferred error is trusted: its own error is some 10⁻⁶ of Σ w x².
    private static let smallestShare: Float = 5e-4

    /// The result of one pass over a group with given s and m; q are the codes nearest to the weights x.
    struct Pass {
        /// Σ w · (s q − m − x)².
        var error = Float8()
        /// Σ w q.
        var q = Float8()
        /// Σ w q².
        var qq = Float8()
        /// Σ w q x.
        var qx = Float8()
    }

    /// The codes of one column, as integers in Float.
    @inline(__always)
    func code(_ x: Float8, inverseScale: Float8, minimum: Float8) -> Float8 {
        nearest(lower(upper((x + minimum) * inverseScale, Float8()), Float8(repeating: largest)))
    }

    /// The same as `pass`, without the error.
    @inline(__always)
    private func codes(
        _ x: UnsafePointer<Float8>, _ w: UnsafePointer<Float>, _ s: Float8, _ m: Float8
    ) -> Pass {
        let inverseScale = inverseOrZero(s)
        var sums = Pass()
        for column in 0..<TensorEncoding.groupSize {
            let q = code(x[column], inverseScale: inverseScale, minimum: m)
            let wq = q * w[column]
            sums.q += wq
            sums.qq += wq * q
            sums.qx += wq * x[column]
        }
        return sums
    }

    /// Computes the codes of 32 columns x with s and m; w are the weights of the squared error.
    @inline(__always)
    func pass(_ x: UnsafePointer<Float8>, _ w: UnsafePointer<Float>, _ s: Float8, _ m: Float8) -> Pass {
        let inverseScale = inverseOrZero(s)
        var sums = Pass()
        for column in 0..<TensorEncoding.groupSize {
            let value = x[column]
            let q = code(value, inverseScale: inverseScale, minimum: m)
            let difference = s * q - m - value
            let wq = q * w[column]
            sums.error += difference * difference * w[column]
            sums.q += wq
            sums.qq += wq * q
            sums.qx += wq * value
        }
        return sums
    }

    /// Σ w and Σ w x of 32 columns.
    @inline(__always)
    func sums(_ x: UnsafePointer<Float8>, _ w: UnsafePointer<Float>) -> (weight: Float, value: Float8) {
        var weight: Float = 0
        var value = Float8()
        for column in 0..<TensorEncoding.groupSize {
            weight += w[column]
            value += x[column] * w[column]
        }
        return (weight, value)
    }

    /// The best s and m for given codes.
    private struct Fit {
        var s = Float8()
        var m = Float8()
        /// The weighted squared error is Σ w x² minus this.
        var gain: Float8

        @inline(__always)
        mutating func replace(withBetter other: Fit) {
            let isBetter = other.gain .> gain
            s.replace(with: other.s, where: isBetter)
            m.replace(with: other.m, where: isBetter)
            gain.replace(with: other.gain, where: isBetter)
        }
    }

    /// The s and m ≥ 0 with the least error for the codes of a pass over a group with these sums.
    @inline(__always)
    private func fit(_ pass: Pass, _ sums: (weight: Float, value: Float8)) -> Fit {
        let determinant = pass.qq * sums.weight - pass.q * pass.q
        let isSafe = determinant .> pass.qq * (sums.weight * 1e-5)
        let divisor = Float8(repeating: 1).replacing(with: determinant, where: isSafe)
        let freeS = (pass.qx * sums.weight - sums.value * pass.q) / divisor
        let freeM = (freeS * pass.q - sums.value) / sums.weight
        // If all codes are equal or the minimum is negative: m = 0, or s = 0 if all codes are 0.
        let isFree = isSafe .& (freeM .>= 0) .& (freeS .> 0)
        let onlyScale = upper(pass.qx * inverseOrZero(pass.qq), Float8())
        let onlyMinimum = upper(-sums.value / sums.weight, Float8()).replacing(with: 0, where: pass.qq .> 0)
        let s = onlyScale.replacing(with: freeS, where: isFree)
        let m = onlyMinimum.replacing(with: freeM, where: isFree)
        // The residual is orthogonal to the fitted terms, so the error needs no second pass.
        return Fit(s: s, m: m, gain: s * pass.qx - m * sums.value)
    }

    /// The best s and m of 32 columns x with the weights w.
    @inline(never)
    func search(_ x: UnsafePointer<Float8>, _ w: UnsafePointer<Float>) -> (s: Float8, m: Float8) {
        let sums = sums(x, w)
        var low = Float8(), high = Float8(repeating: -.infinity)
        for column in 0..<TensorEncoding.groupSize {
            low = lower(low, x[column])
            high = upper(high, x[column])
        }
        let range = high - low
        var best = Fit(gain: Float8(repeating: -.infinity))
        for start in gridStarts(low, high) {
            best.replace(withBetter: fit(codes(x, w, start.s, start.m), sums))
        }
        for lowPart in Self.narrowings {
            for highPart in Self.narrowings {
                let s = range * ((1 - lowPart - highPart) / largest)
                let m = upper(-low - range * lowPart, Float8())
                best.replace(withBetter: fit(codes(x, w, s, m), sums))
            }
        }
        for _ in 0..<Self.fitCount { best.replace(withBetter: fit(codes(x, w, best.s, best.m), sums)) }
        // A very small error is lost in the rounding of the sums that it is inferred from.
        let isLost = pass(x, w, best.s, best.m).error .< squares(x, w) * Self.smallestShare
        return any(isLost) ? searchByError(x, w, sums, low, high) : (best.s, best.m)
    }

    /// Σ w x².
    @inline(__always)
    private func squares(_ x: UnsafePointer<Float8>, _ w: UnsafePointer<Float>) -> Float8 {
        var sum = Float8()
        for column in 0..<TensorEncoding.groupSize { sum += x[column] * x[column] * w[column] }
        return sum
    }

    /// Does the same as `search`, but sums errors instead of inferring them; twice as slow.
    @inline(never)
    private func searchByError(
        _ x: UnsafePointer<Float8>, _ w: UnsafePointer<Float>, _ sums: (weight: Float, value: Float8),
        _ low: Float8, _ high: Float8
    ) -> (s: Float8, m: Float8) {
        let range = high - low
        // Codes that leave room at both ends may be shifted; among equally good fits the first one wins.
        let tolerance = squares(x, w) * 1e-9
        var bestError = Float8(repeating: .infinity), bestS = Float8(), bestM = Float8()
        func follow(_ start: (s: Float8, m: Float8), times: Int) {
            var (s, m) = start
            for _ in 0..<times {
                let found = pass(x, w, s, m)
                let isBetter = found.error + tolerance .< bestError
                bestError.replace(with: found.error, where: isBetter)
                bestS.replace(with: s, where: isBetter)
                bestM.replace(with: m, where: isBetter)
                let fitted = fit(found, sums)
                (s, m) = (fitted.s, fitted.m)
            }
        }
        for start in gridStarts(low, high) { follow(start, times: 2) }
        for lowPart in Self.narrowings {
            for highPart in Self.narrowings {
                follow(
                    (range * ((1 - lowPart - highPart) / largest), upper(-low - range * lowPart, Float8())),
                    times: 2)
            }
        }
        follow((bestS, bestM), times: 1 + Self.fitCount)
        return (bestS, bestM)
    }

    /// Weights that already lie on a grid with this number of steps keep it: a grid over the full range (Q4_1), or one with
    /// half the steps toward the largest magnitude and one step less on the other side (Q4_0: eight and seven).
    @inline(__always)
    private func gridStarts(_ low: Float8, _ high: Float8) -> [(s: Float8, m: Float8)] {
        let half = (largest + 1) / 2
        let step = upper(-low, high) / half
        return [
            ((high - low) / largest, -low),
            (step, (step * (half - 1)).replacing(with: step * half, where: -low .>= high)),
        ]
    }
}
