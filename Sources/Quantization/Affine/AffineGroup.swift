// SPDX-License-Identifier: Apache-2.0
// One group of an affine encoding: the real s and m ≥ 0 with the least Σ w · (s q − m − x)², q in 0…largest.
//
// The error has many local minimums in (s, m). A least-squares fit finds the nearest one, so fits start from many
// ranges: the group's own, narrowed (outliers cut off) or widened at each end.

struct AffineGroup {
    /// The largest code: 7, 15 or 31.
    let largest: Float

    /// How far a starting range is narrowed at one end, as a part of the group's range.
    private static let narrowings: [Float] = [-0.05, -0.02, 0.01, 0.04, 0.07, 0.1, 0.13, 0.17]
    /// Times that codes and (s, m) are fitted to each other, from each start and again from the best.
    private static let fitCount = 3
    /// The least part of Σ w x² that an inferred error may be: it is known to some 10⁻⁶ of that.
    private static let smallestShare: Float = 5e-4

    /// What a pass over a group with given s and m finds; q are the codes nearest to the weights x.
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

    /// As `pass`, without the error.
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

    /// Codes 32 columns x with s and m; w are the weights of the squared error.
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
        /// What is left of Σ w x² is Σ w x² less this.
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
        // Codes that are all alike, or a minimum on the wrong side: m = 0, or s = 0 where all codes are 0.
        let isFree = isSafe .& (freeM .>= 0) .& (freeS .> 0)
        let onlyScale = upper(pass.qx * inverseOrZero(pass.qq), Float8())
        let onlyMinimum = upper(-sums.value / sums.weight, Float8()).replacing(with: 0, where: pass.qq .> 0)
        let s = onlyScale.replacing(with: freeS, where: isFree)
        let m = onlyMinimum.replacing(with: freeM, where: isFree)
        // The residual is orthogonal to what was fitted, so the error needs no second pass.
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
        // Where next to nothing is left, it is lost in the rounding of the sums that it was taken from.
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

    /// As `search`, by errors that are summed and not inferred: twice as slow.
    @inline(never)
    private func searchByError(
        _ x: UnsafePointer<Float8>, _ w: UnsafePointer<Float>, _ sums: (weight: Float, value: Float8),
        _ low: Float8, _ high: Float8
    ) -> (s: Float8, m: Float8) {
        let range = high - low
        // Codes that leave room at both ends may be shifted: of ways that are as good, the first one.
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

    /// Weights that lie on a grid of as many steps already shall stay there: on all of a range (Q4_1), or on half of them to
    /// the side of the largest magnitude and one less to the other (Q4_0: eight and seven).
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
