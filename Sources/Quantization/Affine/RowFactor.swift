// SPDX-License-Identifier: Apache-2.0
// A row's factor is a bfloat16. Its 8 bits are enough, because everything below it (8-bit scales, codes) is chosen for the
// stored factor. Only one property matters: some integer multiple of it is close to the number of each wide group.

/// Row factors to try; each is the next larger bfloat16, larger by 1/256 to 1/128.
private let factorCount = 24

extension LaneRows {
    /// The row factor whose integer multiples come closest to one number of every group.
    ///
    /// The search tries only factors that reach the largest number: cutting off the widest group never reduced the squared error,
    /// however narrow the others are.
    ///
    /// - Parameters:
    ///   - groupCount: Groups of the rows.
    ///   - largestMultiple: The multiple that represents the largest number with the smallest factor.
    ///   - number: The number of each group, not negative.
    /// - Returns: The stored factor.
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

    /// Rounds row factors to their stored value, the nearest bfloat16 of each row, ties to even.
    ///
    /// - Precondition: finite and not negative.
    @inline(__always)
    func asStored(_ factor: Float8) -> Float8 {
        let bits = unsafeBitCast(factor * unscaling, to: SIMD8<UInt32>.self)
        let rounded = (bits &+ 0x7FFF &+ ((bits &>> 16) & 1)) & 0xFFFF_0000
        return unsafeBitCast(rounded, to: Float8.self) * scaling
    }

    /// The next larger factor that a bfloat16 can store.
    ///
    /// - Precondition: `factor` is a stored value.
    @inline(__always)
    private func nextStored(_ factor: Float8) -> Float8 {
        let bits = unsafeBitCast(factor * unscaling, to: SIMD8<UInt32>.self)
        return unsafeBitCast(bits &+ 0x1_0000, to: Float8.self) * scaling
    }

    /// Writes the eight rows' factors to a tile, the first one at position `index` of the factors at the tile's start.
    ///
    /// - Precondition: `factors` are stored values.
    func storeFactors(_ factors: Float8, to tile: UnsafeMutableRawPointer, index: Int) {
        let unscaled = factors * unscaling
        for lane in 0..<Float8.scalarCount {
            tile.storeBytes(
                of: Float16Bits.brainBits(unscaled[lane]).littleEndian, toByteOffset: (index &+ lane) &* 2,
                as: UInt16.self)
        }
    }
}
