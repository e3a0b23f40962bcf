// SPDX-License-Identifier: Apache-2.0
// int3, int4 and int5: w ≈ s · q − m with q in 0…7, 15 or 31, s = rowScale · scale, m = rowMinimum · minimum; scale and
// minimum are in 0…255.
//
// Three steps: the best real (s, m) of each group; their 8-bit codes, chosen by the error they cause; the row's two
// factors fitted to all codes by least squares, and the codes chosen again.

struct AffineSearch {
    let bitCount: Int
    let group: AffineGroup

    init(bitCount: Int) {
        self.bitCount = bitCount
        group = AffineGroup(largest: Float(Int32(1 << bitCount - 1)))
    }

    /// The limit of a row's initial scales and minimums: it leaves room below 255, so that the search can vary them too.
    private static let largestCode: Float = 253
    /// The search varies a group's scale by up to this many steps.
    private static let reach = 2

    /// One group of eight rows.
    struct Group {
        /// The real s and m that the search found.
        var s = Float8()
        var m = Float8()
        /// The 8-bit codes, as integers in Float.
        var scale = Float8()
        var minimum = Float8()
    }

    /// The partial encoding of eight rows.
    struct Rows: ~Copyable {
        var rowScale = Float8()
        var rowMinimum = Float8()
        let groups: UnsafeMutablePointer<Group>

        init(groupCount: Int) {
            groups = .allocate(capacity: groupCount)
            groups.initialize(repeating: Group(), count: groupCount)
        }

        deinit { groups.deallocate() }
    }

    /// Encodes eight rows of a tile, the first of which is `firstRow`.
    func encode(
        _ values: borrowing LaneRows, _ weights: borrowing ColumnWeights, _ layout: TileLayout,
        feedback: GPTQRounding?, into tile: UnsafeMutableRawPointer, firstRow: Int
    ) {
        var rows = Rows(groupCount: layout.groupCount)
        for group in 0..<layout.groupCount {
            let (s, m) = self.group.search(values.values + group &* 32, weights.values + group &* 32)
            rows.groups[group].s = s
            rows.groups[group].m = m
        }
        rows.rowScale = values.bestFactor(groupCount: layout.groupCount, largestMultiple: Self.largestCode) {
            rows.groups[$0].s
        }
        rows.rowMinimum = values.bestFactor(groupCount: layout.groupCount, largestMultiple: Self.largestCode)
        {
            rows.groups[$0].m
        }
        let sums = chooseCodes(&rows, values, weights, layout.groupCount, isRefinement: false)

        var refined = Rows(groupCount: layout.groupCount)
        refined.groups.update(from: rows.groups, count: layout.groupCount)
        let (rowScale, rowMinimum) = sums.factors(rows.rowScale, rows.rowMinimum)
        refined.rowScale = values.asStored(rowScale)
        refined.rowMinimum = values.asStored(rowMinimum)
        let refinedSums = chooseCodes(&refined, values, weights, layout.groupCount, isRefinement: true)

        let isBetter = refinedSums.error .< sums.error
        rows.rowScale.replace(with: refined.rowScale, where: isBetter)
        rows.rowMinimum.replace(with: refined.rowMinimum, where: isBetter)
        for group in 0..<layout.groupCount {
            rows.groups[group].scale.replace(with: refined.groups[group].scale, where: isBetter)
            rows.groups[group].minimum.replace(with: refined.groups[group].minimum, where: isBetter)
        }
        let codes = UnsafeMutablePointer<Float8>.allocate(
            capacity: layout.groupCount * TensorEncoding.groupSize)
        defer { codes.deallocate() }
        if let feedback {
            feedback.round(values, rows, self, into: codes)
        } else {
            roundToNearest(values, rows, groupCount: layout.groupCount, into: codes)
        }
        store(rows, codes: codes, values, layout, into: tile, firstRow: firstRow)
    }

    /// Sums over a row; w are the weights, S and M the 8-bit scale and minimum of each group.
    private struct RowSums {
        /// Σ w · (s q − m − x)².
        var error = Float8()
        /// Σ w S² q², Σ w S M q, Σ w M².
        var ss = Float8(), sm = Float8(), mm = Float8()
        /// Σ w S q x, Σ w M x.
        var sx = Float8(), mx = Float8()

        /// The factors (a, b) with the least Σ w · (a S q − b M − x)², or the present ones if no positive pair exists.
        func factors(_ a: Float8, _ b: Float8) -> (Float8, Float8) {
            let determinant = ss * mm - sm * sm
            let isSafe = determinant .> ss * mm * 1e-5
            let divisor = Float8(repeating: 1).replacing(with: determinant, where: isSafe)
            let newA = (sx * mm - sm * mx) / divisor
            let newB = (sm * sx - ss * mx) / divisor
            let isFree = isSafe .& (newA .> 0) .& (newB .> 0)
            return (a.replacing(with: newA, where: isFree), b.replacing(with: newB, where: isFree))
        }
    }

    /// Chooses every group's 8-bit scale and minimum for the present row factors.
    ///
    /// A refinement starts from the present codes; otherwise the search starts from the real s and m.
    @inline(never)
    private func chooseCodes(
        _ rows: inout Rows, _ values: borrowing LaneRows, _ weights: borrowing ColumnWeights,
        _ groupCount: Int,
        isRefinement: Bool
    ) -> RowSums {
        let limit = Float8(repeating: 255)
        let rowScale = rows.rowScale, rowMinimum = rows.rowMinimum
        let inverseRowScale = inverseOrZero(rowScale), inverseRowMinimum = inverseOrZero(rowMinimum)
        var row = RowSums()
        for index in 0..<groupCount {
            let x = values.values + index &* 32
            let w = weights.values + index &* 32
            let sums = self.group.sums(x, w)
            var group = rows.groups[index]
            let base = isRefinement ? group.scale : lower(nearest(group.s * inverseRowScale), limit)
            let start = isRefinement ? group.minimum * rowMinimum : group.m
            var best = AffineGroup.Pass()
            best.error = Float8(repeating: .infinity)
            for offset in -Self.reach...Self.reach {
                let scale = upper(lower(base + Float(Int32(truncatingIfNeeded: offset)), limit), Float8())
                let s = rowScale * scale
                // The best minimum for this scale's codes, then the codes for that minimum.
                let ideal = (s * self.group.pass(x, w, s, start).q - sums.value) / sums.weight
                let minimum = nearest(upper(lower(ideal * inverseRowMinimum, limit), Float8()))
                let found = self.group.pass(x, w, s, rowMinimum * minimum)
                let isBetter = found.error .< best.error
                best.error.replace(with: found.error, where: isBetter)
                best.q.replace(with: found.q, where: isBetter)
                best.qq.replace(with: found.qq, where: isBetter)
                best.qx.replace(with: found.qx, where: isBetter)
                group.scale.replace(with: scale, where: isBetter)
                group.minimum.replace(with: minimum, where: isBetter)
            }
            rows.groups[index] = group
            row.error += best.error
            row.ss += group.scale * group.scale * best.qq
            row.sm += group.scale * group.minimum * best.q
            row.mm += group.minimum * group.minimum * sums.weight
            row.sx += group.scale * best.qx
            row.mx += group.minimum * sums.value
        }
        return row
    }
}
