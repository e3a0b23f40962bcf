// SPDX-License-Identifier: Apache-2.0
// int8: w ≈ rowScale · scale · q with q in −127…127 and scale in 0…255.
//
// The error of rounding 32 weights to a grid varies at random by some 15 % from one step size to the next, while
// a step 1 % larger costs only 2 %. So the search tries several scales, starting from the smallest that clips nothing.

enum Int8Search {
    /// Scales tried for each group, from one below the smallest that clips nothing.
    private static let candidateCount = 16
    /// The limit of the widest group's smallest scale: it leaves 14 larger scales.
    private static let largestScale: Float = 241

    /// Encodes eight rows of a tile, the first of which is `firstRow`.
    ///
    /// The row's scale follows from its widest groups; each group then takes the scale with the least weighted error.
    static func encode(
        _ rows: borrowing LaneRows, _ weights: borrowing ColumnWeights, _ layout: TileLayout,
        into tile: UnsafeMutableRawPointer, firstRow: Int
    ) {
        let values = rows.values
        // The smallest steps that clip nothing.
        let steps = UnsafeMutablePointer<Float8>.allocate(capacity: layout.groupCount)
        defer { steps.deallocate() }
        for group in 0..<layout.groupCount {
            (steps + group).initialize(to: largestMagnitude(values + group &* 32) / 127)
        }
        let rowScale = rows.bestFactor(groupCount: layout.groupCount, largestMultiple: largestScale) {
            steps[$0]
        }
        let inverseRowScale = inverseOrZero(rowScale)

        for group in 0..<layout.groupCount {
            let x = values + group &* 32
            let w = weights.values + group &* 32
            let base = nearest(steps[group] * inverseRowScale)

            var bestScale = Float8()
            var bestError = Float8(repeating: .infinity)
            for candidate in 0..<candidateCount {
                let offset = Float(Int32(truncatingIfNeeded: candidate &- 1))
                let scale = upper(lower(base + offset, Float8(repeating: 255)), Float8(repeating: 1))
                let error = squaredError(x, w, rowScale * scale)
                bestScale.replace(with: scale, where: error .< bestError)
                bestError = lower(bestError, error)
            }
            bestScale.replace(with: 0, where: steps[group] .== 0)
            store(x, scale: bestScale, rowScale: rowScale, tile, layout, group: group, firstRow: firstRow)
        }
        rows.storeFactors(rowScale, to: tile, index: firstRow)
    }

    @inline(__always)
    private static func largestMagnitude(_ x: UnsafePointer<Float8>) -> Float8 {
        var largest = Float8()
        for column in 0..<32 { largest = upper(largest, upper(x[column], -x[column])) }
        return largest
    }

    @inline(__always)
    private static func code(_ x: Float8, _ inverseStep: Float8) -> Float8 {
        lower(upper(nearest(x * inverseStep), Float8(repeating: -127)), Float8(repeating: 127))
    }

    /// Σ w · (step · q − x)² over one group.
    @inline(__always)
    private static func squaredError(
        _ x: UnsafePointer<Float8>, _ w: UnsafePointer<Float>, _ step: Float8
    ) -> Float8 {
        let inverseStep = inverseOrZero(step)
        var sum = Float8()
        for column in 0..<32 {
            let difference = code(x[column], inverseStep) * step - x[column]
            sum += difference * difference * w[column]
        }
        return sum
    }

    private static func store(
        _ x: UnsafePointer<Float8>, scale: Float8, rowScale: Float8, _ tile: UnsafeMutableRawPointer,
        _ layout: TileLayout, group: Int, firstRow: Int
    ) {
        let bytes = tile.assumingMemoryBound(to: UInt8.self)
        let scales = bytes + (layout.scaleOffset(group: group) &+ firstRow)
        let codes = bytes + (layout.codeOffset(group: group) &+ firstRow &* 4)
        let inverseStep = inverseOrZero(rowScale * scale)
        storeIntegers(scale, to: scales, stride: 1)
        for column in 0..<32 {
            storeIntegers(
                code(x[column], inverseStep) + 128, to: codes + (column / 4 &* 64 &+ column % 4), stride: 4)
        }
    }
}
