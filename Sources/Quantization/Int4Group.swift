// SPDX-License-Identifier: Apache-2.0
// One group of int4: the real s and m ≥ 0 with the least Σ w · (s q − m − x)², q in 0…15.
//
// The error has many local minimums in (s, m). A least-squares fit finds the nearest one, so fits start from many
// ranges: the group's own, narrowed (outliers cut off) or widened at each end.

enum Int4Group {
    /// How far a starting range is narrowed at one end, as a part of the group's range.
    private static let narrowings: [Float] = [-0.05, -0.02, 0.01, 0.04, 0.07, 0.1, 0.13, 0.17]
    /// Times that codes and (s, m) are fitted to each other, from each start and again from the best.
    private static let fitCount = 2

    /// What a pass over a group with given s and m finds; q are the codes nearest to the weights x.
    struct Pass {
        /// Σ w · (s q − m − x)².
        var error = Lanes()
        /// Σ w q.
        var q = Lanes()
        /// Σ w q².
        var qq = Lanes()
        /// Σ w q x.
        var qx = Lanes()
    }

    /// The codes of one column, as integers in Float.
    @inline(__always)
    static func code(_ x: Lanes, inverseScale: Lanes, minimum: Lanes) -> Lanes {
        nearest(lower(upper((x + minimum) * inverseScale, Lanes()), Lanes(repeating: 15)))
    }

    /// Codes 32 columns x with s and m; w are the weights of the squared error.
    @inline(__always)
    static func pass(_ x: UnsafePointer<Lanes>, _ w: UnsafePointer<Float>, _ s: Lanes, _ m: Lanes) -> Pass {
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
    static func sums(_ x: UnsafePointer<Lanes>, _ w: UnsafePointer<Float>) -> (weight: Float, value: Lanes) {
        var weight: Float = 0
        var value = Lanes()
        for column in 0..<TensorEncoding.groupSize {
            weight += w[column]
            value += x[column] * w[column]
        }
        return (weight, value)
    }

    /// The s and m ≥ 0 with the least error for the codes of a pass over a group with these sums.
    @inline(__always)
    private static func fit(_ pass: Pass, _ sums: (weight: Float, value: Lanes)) -> (s: Lanes, m: Lanes) {
        let determinant = pass.qq * sums.weight - pass.q * pass.q
        let isSafe = determinant .> pass.qq * (sums.weight * 1e-5)
        let divisor = Lanes(repeating: 1).replacing(with: determinant, where: isSafe)
        let s = (pass.qx * sums.weight - sums.value * pass.q) / divisor
        let m = (s * pass.q - sums.value) / sums.weight
        // Codes that are all alike, or a minimum on the wrong side: m = 0, or s = 0 where all codes are 0.
        let isFree = isSafe .& (m .>= 0) .& (s .> 0)
        let onlyScale = upper(pass.qx * inverseOrZero(pass.qq), Lanes())
        let onlyMinimum = upper(-sums.value / sums.weight, Lanes()).replacing(with: 0, where: pass.qq .> 0)
        return (onlyScale.replacing(with: s, where: isFree), onlyMinimum.replacing(with: m, where: isFree))
    }

    /// The best s and m of 32 columns x with the weights w.
    @inline(never)
    static func search(_ x: UnsafePointer<Lanes>, _ w: UnsafePointer<Float>) -> (s: Lanes, m: Lanes) {
        let sums = sums(x, w)
        var low = Lanes(), high = Lanes(repeating: -.infinity)
        for column in 0..<TensorEncoding.groupSize {
            low = lower(low, x[column])
            high = upper(high, x[column])
        }
        let range = high - low
        var bestError = Lanes(repeating: .infinity), bestS = Lanes(), bestM = Lanes()
        for lowPart in narrowings {
            for highPart in narrowings {
                var s = range * ((1 - lowPart - highPart) / 15)
                var m = upper(-low - range * lowPart, Lanes())
                for _ in 0..<fitCount {
                    let found = pass(x, w, s, m)
                    let isBetter = found.error .< bestError
                    bestError.replace(with: found.error, where: isBetter)
                    bestS.replace(with: s, where: isBetter)
                    bestM.replace(with: m, where: isBetter)
                    (s, m) = fit(found, sums)
                }
            }
        }
        for _ in 0..<fitCount {
            let (s, m) = fit(pass(x, w, bestS, bestM), sums)
            let error = pass(x, w, s, m).error
            let isBetter = error .< bestError
            bestError.replace(with: error, where: isBetter)
            bestS.replace(with: s, where: isBetter)
            bestM.replace(with: m, where: isBetter)
        }
        return (bestS, bestM)
    }
}
