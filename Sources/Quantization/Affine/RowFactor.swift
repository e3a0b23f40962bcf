// SPDX-License-Identifier: Apache-2.0
// A row's factor is a bfloat16: 8 bits are enough, because everything below it (8-bit scales, codes) is chosen for the
// factor as it is stored. What counts is that some integer times it comes close to the numbers of the widest groups.

/// Row factors tried; each is the next larger bfloat16, by 1/256 to 1/128.
private let factorCount = 24

extension LaneRows {
    /// The row factor whose integer multiples come closest to one number of every group.
    ///
    /// Only factors are tried that reach the largest number: cutting off the widest group never paid in squared error,
    /// however narrow the others are.
    ///
    /// - Parameters:
    ///   - groupCount: Groups of the rows.
    ///   - largestMultiple: Multiple that the largest number becomes with the smallest factor.
    ///   - number: The number of each group, not negative.
    /// - Returns: The factor as it is stored.
    @inline(__always)
    func bestFactor(groupCount: Int, largestMultiple: Float, _ number: (Int) -> Float8) -> Float8 {
        var largest = Float8()
        for group in 0..<groupCount { largest = upper(largest, number(group)) }
        var factor = asStored(largest / largestMultiple)
        var best = Float8()
        var bestError = Float8(repeating: .infinity)
        for _ in 0..<factorCount {
            let inverse = inverseOrZero(factor)
            var error = Float8()
            for group in 0..<groupCount {
                let value = number(group)
                let difference = value - nearest(value * inverse) * factor
                error += difference * difference
            }
            let isBetter = error .< bestError
            best.replace(with: factor, where: isBetter)
            bestError.replace(with: error, where: isBetter)
            factor = nextStored(factor)
        }
        return best
    }

    /// What a row factor becomes when it is stored: the nearest bfloat16 of the row's own size, ties to even.
    ///
    /// - Precondition: finite and not negative.
    @inline(__always)
    func asStored(_ factor: Float8) -> Float8 {
        let bits = unsafeBitCast(factor * unscaling, to: SIMD8<UInt32>.self)
        let rounded = (bits &+ 0x7FFF &+ ((bits &>> 16) & 1)) & 0xFFFF_0000
        return unsafeBitCast(rounded, to: Float8.self) * scaling
    }

    /// The next larger factor that can be stored.
    ///
    /// - Precondition: `factor` is as stored.
    @inline(__always)
    private func nextStored(_ factor: Float8) -> Float8 {
        let bits = unsafeBitCast(factor * unscaling, to: SIMD8<UInt32>.self)
        return unsafeBitCast(bits &+ 0x1_0000, to: Float8.self) * scaling
    }

    /// Writes the eight rows' factors to a tile, the first one as number `index` of those that the tile begins with.
    ///
    /// - Precondition: `factors` are as stored.
    func storeFactors(_ factors: Float8, to tile: UnsafeMutableRawPointer, index: Int) {
        let unscaled = factors * unscaling
        for lane in 0..<Float8.scalarCount {
            tile.storeBytes(
                of: Float16Bits.brainBits(unscaled[lane]).littleEndian, toByteOffset: (index &+ lane) &* 2,
                as: UInt16.self)
        }
    }
}
