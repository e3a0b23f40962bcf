// SPDX-License-Identifier: Apache-2.0
// int8: w ≈ rowScale · scale · q with q in −127…127 and scale in 0…255.
//
// The error of rounding 32 weights to a grid varies by some 15 % at random from one step size to the next, while
// a step 1 % larger costs only 2 %. So it pays to try several scales from the smallest that clips nothing.

enum Int8Search {
    /// Scales tried for each group, from one below the smallest that clips nothing.
    private static let candidateCount = 16
    /// Scales that the widest group of a row has above its smallest.
    private static let headroom: Float = 14

    /// Encodes eight rows of a tile, the first of which is `firstRow`.
    ///
    /// The row's scale follows from its widest group; each group then takes the scale with the least weighted error.
    static func encode(
        _ rows: borrowing LaneRows, _ weights: borrowing ColumnWeights, _ layout: TileLayout,
        into tile: UnsafeMutableRawPointer, firstRow: Int
    ) {
        let values = rows.values
        var widest = Lanes()
        for column in 0..<(layout.groupCount &* 32) { widest = upper(widest, magnitude(values[column])) }
        let rowScale = rows.asStored(widest / (127 * (255 - headroom)))
        let inverseRowScale = inverseOrZero(rowScale)

        for group in 0..<layout.groupCount {
            let x = values + group &* 32
            let w = weights.values + group &* 32
            var largest = Lanes()
            for column in 0..<32 { largest = upper(largest, magnitude(x[column])) }
            let base = nearest(largest * inverseRowScale / 127)

            var bestScale = Lanes()
            var bestError = Lanes(repeating: .infinity)
            for candidate in 0..<candidateCount {
                let offset = Float(Int32(truncatingIfNeeded: candidate &- 1))
                let scale = upper(lower(base + offset, Lanes(repeating: 255)), Lanes(repeating: 1))
                let error = squaredError(x, w, rowScale * scale)
                bestScale.replace(with: scale, where: error .< bestError)
                bestError = lower(bestError, error)
            }
            bestScale.replace(with: 0, where: largest .== 0)
            store(x, scale: bestScale, rowScale: rowScale, tile, layout, group: group, firstRow: firstRow)
        }
        let rowScales = (rowScale * rows.unscaling).replacing(with: 0, where: widest .== 0)
        for lane in 0..<Lanes.scalarCount {
            tile.storeBytes(of: rowScales[lane], toByteOffset: (firstRow &+ lane) &* 4, as: Float.self)
        }
    }

    @inline(__always)
    private static func magnitude(_ a: Lanes) -> Lanes { upper(a, -a) }

    @inline(__always)
    private static func code(_ x: Lanes, _ inverseStep: Lanes) -> Lanes {
        lower(upper(nearest(x * inverseStep), Lanes(repeating: -127)), Lanes(repeating: 127))
    }

    /// Σ w · (step · q − x)² over one group.
    @inline(__always)
    private static func squaredError(
        _ x: UnsafePointer<Lanes>, _ w: UnsafePointer<Float>, _ step: Lanes
    ) -> Lanes {
        let inverseStep = inverseOrZero(step)
        var sum = Lanes()
        for column in 0..<32 {
            let difference = code(x[column], inverseStep) * step - x[column]
            sum += difference * difference * w[column]
        }
        return sum
    }

    private static func store(
        _ x: UnsafePointer<Lanes>, scale: Lanes, rowScale: Lanes, _ tile: UnsafeMutableRawPointer,
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
