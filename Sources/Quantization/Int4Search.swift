// SPDX-License-Identifier: Apache-2.0
// int4: w ≈ s · q − m with q in 0…15, s = rowScale · scale, m = rowMinimum · minimum, scale and minimum in 0…255.
//
// Three steps: the best real (s, m) of each group; their 8-bit codes, chosen by the error they cause; the row's two
// factors fitted to all codes by least squares, and the codes chosen again.

enum Int4Search {
    /// How far a candidate range is narrowed at one end, as a part of the group's range.
    static let narrowings: [Float] = [0, 0.05, 0.1, 0.15, 0.2]
    /// Times that codes and (s, m) are fitted to each other from each candidate.
    static let fitCount = 2
    /// Times that the row's factors are fitted.
    static let rowFitCount = 2
    /// Room that the largest scale and minimum of a row keep below 255.
    static let headroom: Float = 2

    /// The encoding of eight rows as it takes shape: factors of the rows, real and 8-bit numbers of the groups.
    private struct State: ~Copyable {
        var rowScale = Lanes()
        var rowMinimum = Lanes()
        /// [groupCount × 4]: s, m, scale, minimum.
        let groups: UnsafeMutablePointer<Lanes>
        init(groupCount: Int) {
            groups = .allocate(capacity: groupCount * 4)
            groups.initialize(repeating: Lanes(), count: groupCount * 4)
        }
        deinit { groups.deallocate() }
    }

    /// Encodes eight rows of a tile, the first of which is `firstRow`.
    static func encode(
        _ rows: borrowing LaneRows, _ weights: borrowing ColumnWeights, _ layout: TileLayout,
        into tile: UnsafeMutableRawPointer, firstRow: Int
    ) {
        var state = State(groupCount: layout.groupCount)
        var largestScale = Lanes()
        var largestMinimum = Lanes()
        for group in 0..<layout.groupCount {
            let (s, m) = searchRange(rows.values + group &* 32, weights.values + group &* 32)
            state.groups[group &* 4] = s
            state.groups[group &* 4 &+ 1] = m
            largestScale = upper(largestScale, s)
            largestMinimum = upper(largestMinimum, m)
        }
        state.rowScale = rows.asStored(largestScale / (255 - headroom))
        state.rowMinimum = rows.asStored(largestMinimum / (255 - headroom))
        var best = chooseCodes(state, rows, weights, layout, around: false)
        for _ in 0..<rowFitCount {
            var next = State(groupCount: layout.groupCount)
            next.groups.update(from: state.groups, count: layout.groupCount &* 4)
            let (a, b) = best.solution(state.rowScale, state.rowMinimum)
            next.rowScale = rows.asStored(a)
            next.rowMinimum = rows.asStored(b)
            let sums = chooseCodes(next, rows, weights, layout, around: true)
            let isBetter = sums.error .< best.error
            state.rowScale.replace(with: next.rowScale, where: isBetter)
            state.rowMinimum.replace(with: next.rowMinimum, where: isBetter)
            for index in 0..<(layout.groupCount &* 4) {
                state.groups[index].replace(with: next.groups[index], where: isBetter)
            }
            best.replace(with: sums, where: isBetter)
        }
        store(state, rows, layout, tile, firstRow)
    }

    // MARK: - One group

    /// What a pass over one group with given s and m finds; q are the codes nearest to the weights.
    struct Pass {
        /// Σ w · (s q − m − x)².
        var error = Lanes()
        /// Σ w q, Σ w q², Σ w q x.
        var q = Lanes(), qq = Lanes(), qx = Lanes()
    }

    @inline(__always)
    static func code(_ x: Lanes, _ inverseScale: Lanes, _ m: Lanes) -> Lanes {
        nearest(lower(upper((x + m) * inverseScale, Lanes()), Lanes(repeating: 15)))
    }

    @inline(__always)
    static func pass(_ x: UnsafePointer<Lanes>, _ w: UnsafePointer<Float>, _ s: Lanes, _ m: Lanes) -> Pass {
        let inverseScale = inverseOrZero(s)
        var sums = Pass()
        for column in 0..<32 {
            let value = x[column]
            let q = code(value, inverseScale, m)
            let difference = s * q - m - value
            let wq = q * w[column]
            sums.error += difference * difference * w[column]
            sums.q += wq
            sums.qq += wq * q
            sums.qx += wq * value
        }
        return sums
    }

    /// The s and m ≥ 0 with the least error for the codes of a pass.
    ///
    /// - Parameters:
    ///   - weight: Σ w.
    ///   - sum: Σ w x.
    @inline(__always)
    static func fit(_ pass: Pass, weight: Lanes, sum: Lanes) -> (s: Lanes, m: Lanes) {
        let determinant = weight * pass.qq - pass.q * pass.q
        let safe = determinant .> weight * pass.qq * 1e-5
        let s =
            (weight * pass.qx - sum * pass.q) / Lanes(repeating: 1).replacing(with: determinant, where: safe)
        let m = (s * pass.q - sum) / weight
        // Codes that are all alike, or a minimum on the wrong side: m = 0, or s = 0 where all codes are 0.
        let isFree = safe .& (m .>= 0) .& (s .> 0)
        let onlyScale = upper(quotientOrZero(pass.qx, pass.qq), Lanes())
        let onlyMinimum = upper(-sum / weight, Lanes()).replacing(with: 0, where: pass.qq .> 0)
        return (onlyScale.replacing(with: s, where: isFree), onlyMinimum.replacing(with: m, where: isFree))
    }

    /// The real s and m of one group with the least error over all candidate ranges.
    @inline(never)
    static func searchRange(_ x: UnsafePointer<Lanes>, _ w: UnsafePointer<Float>) -> (s: Lanes, m: Lanes) {
        var weight: Float = 0
        var sum = Lanes(), low = Lanes(), high = Lanes(repeating: -.infinity)
        for column in 0..<32 {
            weight += w[column]
            sum += x[column] * w[column]
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
                    let sums = pass(x, w, s, m)
                    let isBetter = sums.error .< bestError
                    bestError.replace(with: sums.error, where: isBetter)
                    bestS.replace(with: s, where: isBetter)
                    bestM.replace(with: m, where: isBetter)
                    (s, m) = fit(sums, weight: Lanes(repeating: weight), sum: sum)
                }
            }
        }
        for _ in 0..<fitCount {
            let (s, m) = fit(pass(x, w, bestS, bestM), weight: Lanes(repeating: weight), sum: sum)
            let error = pass(x, w, s, m).error
            let isBetter = error .< bestError
            bestError.replace(with: error, where: isBetter)
            bestS.replace(with: s, where: isBetter)
            bestM.replace(with: m, where: isBetter)
        }
        return (bestS, bestM)
    }

    // MARK: - Eight-bit scales and minimums

    /// Sums over a row that determine its two factors; S and M are the 8-bit scale and minimum of each group.
    private struct RowSums {
        var error = Lanes()
        /// Σ S² w q², Σ S M w q, Σ M² w, Σ S w q x, Σ M w x.
        var ss = Lanes(), sm = Lanes(), mm = Lanes(), sx = Lanes(), mx = Lanes()

        /// The factors (a, b) with the least Σ w (a S q − b M − x)²; the old ones where that has no solution.
        func solution(_ a: Lanes, _ b: Lanes) -> (Lanes, Lanes) {
            let determinant = ss * mm - sm * sm
            let safe = determinant .> ss * mm * 1e-5
            let divisor = Lanes(repeating: 1).replacing(with: determinant, where: safe)
            let newA = (sx * mm - sm * mx) / divisor
            let newB = (sm * sx - ss * mx) / divisor
            let isFree = safe .& (newA .> 0) .& (newB .> 0)
            return (a.replacing(with: newA, where: isFree), b.replacing(with: newB, where: isFree))
        }

        mutating func replace(with other: RowSums, where mask: SIMDMask<SIMD8<Int32>>) {
            error.replace(with: other.error, where: mask)
            ss.replace(with: other.ss, where: mask)
            sm.replace(with: other.sm, where: mask)
            mm.replace(with: other.mm, where: mask)
            sx.replace(with: other.sx, where: mask)
            mx.replace(with: other.mx, where: mask)
        }
    }

    /// Chooses every group's 8-bit scale and minimum for the row factors in `state`.
    ///
    /// - Parameter around: Start from the present codes instead of the real s and m.
    @inline(never)
    private static func chooseCodes(
        _ state: borrowing State, _ rows: borrowing LaneRows, _ weights: borrowing ColumnWeights,
        _ layout: TileLayout, around: Bool
    ) -> RowSums {
        let limit = Lanes(repeating: 255)
        let a = state.rowScale, b = state.rowMinimum
        let inverseA = inverseOrZero(a), inverseB = inverseOrZero(b)
        var row = RowSums()
        for group in 0..<layout.groupCount {
            let x = rows.values + group &* 32
            let w = weights.values + group &* 32
            var weight: Float = 0
            var sum = Lanes()
            for column in 0..<32 {
                weight += w[column]
                sum += x[column] * w[column]
            }
            let numbers = state.groups + group &* 4
            let base = nearest(lower(around ? numbers[2] : numbers[0] * inverseA, limit))
            let startM = around ? numbers[3] * b : numbers[1]
            var bestError = Lanes(repeating: .infinity)
            var best = Pass(), bestScale = Lanes(), bestMinimum = Lanes()
            for offset in -2...2 {
                let scale = upper(lower(base + Float(Int32(truncatingIfNeeded: offset)), limit), Lanes())
                let s = a * scale
                // The best minimum for the codes that this scale gives, then the codes for that minimum.
                let first = pass(x, w, s, startM)
                let ideal = (s * first.q - sum) / weight
                let minimum = nearest(upper(lower(ideal * inverseB, limit), Lanes()))
                let second = pass(x, w, s, b * minimum)
                let isBetter = second.error .< bestError
                bestError.replace(with: second.error, where: isBetter)
                best.q.replace(with: second.q, where: isBetter)
                best.qq.replace(with: second.qq, where: isBetter)
                best.qx.replace(with: second.qx, where: isBetter)
                bestScale.replace(with: scale, where: isBetter)
                bestMinimum.replace(with: minimum, where: isBetter)
            }
            numbers[2] = bestScale
            numbers[3] = bestMinimum
            row.error += bestError
            row.ss += bestScale * bestScale * best.qq
            row.sm += bestScale * bestMinimum * best.q
            row.mm += bestMinimum * bestMinimum * weight
            row.sx += bestScale * best.qx
            row.mx += bestMinimum * sum
        }
        return row
    }

    // MARK: - Bytes

    private static func store(
        _ state: borrowing State, _ rows: borrowing LaneRows, _ layout: TileLayout,
        _ tile: UnsafeMutableRawPointer, _ firstRow: Int
    ) {
        let bytes = tile.assumingMemoryBound(to: UInt8.self)
        let rowScales = state.rowScale * rows.unscaling
        let rowMinimums = state.rowMinimum * rows.unscaling
        for lane in 0..<Lanes.scalarCount {
            tile.storeBytes(of: rowScales[lane], toByteOffset: (firstRow &+ lane) &* 4, as: Float.self)
            tile.storeBytes(
                of: rowMinimums[lane], toByteOffset: (firstRow &+ lane &+ 16) &* 4, as: Float.self)
        }
        for group in 0..<layout.groupCount {
            let x = rows.values + group &* 32
            let scale = state.groups[group &* 4 &+ 2]
            let minimum = state.groups[group &* 4 &+ 3]
            let scales = bytes + (layout.scaleOffset(group: group) &+ firstRow)
            // A sum with 1.5 · 2^23 carries the integer in the low bits of its pattern.
            let scaleBits = scale + 12_582_912
            let minimumBits = minimum + 12_582_912
            for lane in 0..<Lanes.scalarCount {
                scales[lane] = UInt8(truncatingIfNeeded: scaleBits[lane].bitPattern)
                scales[lane &+ 16] = UInt8(truncatingIfNeeded: minimumBits[lane].bitPattern)
            }
            let inverseScale = inverseOrZero(state.rowScale * scale)
            let m = state.rowMinimum * minimum
            let codes = bytes + (layout.codeOffset(group: group) &+ firstRow &* 4)
            for pair in 0..<16 {
                let column = pair / 4 &* 8 &+ pair % 4
                let low = code(x[column], inverseScale, m)
                let high = code(x[column &+ 4], inverseScale, m)
                let bits = low + high * 16 + 12_582_912
                let output = codes + (pair / 4 &* 64 &+ pair % 4)
                for lane in 0..<Lanes.scalarCount {
                    output[lane &* 4] = UInt8(truncatingIfNeeded: bits[lane].bitPattern)
                }
            }
        }
    }
}
